/* The hot path of a worker: sends every request when it is due and notes how it ended. See engine.c. */
#ifndef PERFGATE_ENGINE_H
#define PERFGATE_ENGINE_H

#include <stddef.h>
#include <stdint.h>

enum { ARMS = 2 };

/* How a request ended; engine/records.py has the outcome to each. */
typedef enum {
  END_REPLY = 0, /* a complete reply */
  END_TIMEOUT,
  END_REFUSED,
  END_RESET,     /* the connection broke or closed before a byte of the reply */
  END_TRUNCATED, /* or in the middle of it */
  END_STALE, /* the store closed a kept-alive connection while the request was on its way to it */
  END_BAD_REPLY,
  END_TOO_LARGE,
  END_ABANDONED,
} end_kind;

/* One request, in the table that both sides see. The feeder writes the first part before it submits the slot. */
typedef struct {
  int64_t at_ns; /* when it is due, on the monotonic clock */
  const uint8_t *bytes;
  uint32_t size;
  uint32_t segment;
  uint16_t want_status;
  int16_t want_first;
  uint8_t arm;
  uint8_t keep;     /* keep the body of the reply for a deep check */
  uint8_t measured; /* its segment is no warm-up */
  uint8_t spare;
  /* The engine's own. */
  uint32_t next;
  int64_t sent_ns;
  int64_t wait_ns;
} request;

/* How one request ended. */
typedef struct {
  int64_t at_ns, sent_ns, wait_ns, done_ns;
  uint8_t *body; /* for engine_take_bodies; NULL when none is kept */
  uint32_t body_size;
  uint32_t slot;
  int32_t system_error; /* errno, where the system said why */
  uint16_t status;
  uint8_t kind;   /* end_kind */
  uint8_t reason; /* reply_error */
  uint8_t judge;  /* somebody must look at it: a deep check, or another reply than a good one */
  uint8_t coding;
  uint8_t spare[6];
} ending;

typedef struct {
  uint32_t slots;       /* a power of two: requests that are not ended and taken back */
  uint32_t connections; /* the most to one store */
  uint32_t open_ahead;
  uint32_t backlog;     /* requests under way to one store at which load is cut */
  int64_t timeout_ns, connect_ns, lost_ns, drain_ns;
  int64_t catch_up_after_ns; /* later than this, a late engine paces itself */
  double catch_up;           /* and sends at most so many times as fast as the schedule */
  int64_t grain_ns;          /* the timer wakes the engine no more often than this */
  uint32_t closed_loop;      /* send whenever a connection is free, whatever the schedule says */
  uint32_t protocol;         /* wire_protocol of reply.h */
} engine_settings;

/* What the engine tells while it runs; written by the engine alone. */
typedef struct {
  uint32_t ending, saturated, lost, finished;
  uint32_t connections, connections_most;
  uint64_t opened, wakes;
  uint64_t deaf; /* wakes before which replies were not waited for */
  int64_t longest_wait_ns;
} engine_state;

typedef struct engine engine;

engine *engine_new(const engine_settings *settings);
int engine_address(engine *e, uint32_t arm, const void *address, uint32_t size);
request *engine_requests(engine *e);
engine_state *engine_status(engine *e);
/* Opens the first connections; returns when all are open or refused. */
void engine_open(engine *e);
/* Plays until everything has ended. Returns 0 or an errno. */
int engine_run(engine *e);
/* When a closed loop begins and ends. */
void engine_window(engine *e, int64_t from_ns, int64_t until_ns);
/* Hands over n slots of the table, in order of their times. */
void engine_submit(engine *e, const uint32_t *slots, uint32_t n);
/* Nothing will be submitted any more. */
void engine_no_more(engine *e);
/* End early; replies under way are waited for, but not longer than drain_ns. */
void engine_stop(engine *e, int64_t drain_ns);
/* Takes up to n endings; returns how many. */
uint32_t engine_drain(engine *e, ending *to, uint32_t n);
/* Of request, ending, engine_settings and engine_state: the feeder compares them with its own. */
void engine_sizes(uint32_t sizes[4]);
void engine_free_body(uint8_t *body);
/* Copies the bodies of n endings to `to`, one behind the other, and frees them. */
void engine_take_bodies(const ending *rows, uint32_t n, uint8_t *to);
void engine_delete(engine *e);

#endif
