/* One reply, parsed as its bytes come: of HTTP/1.1 (RFC 9112, reply.c) or of the Redis protocol (resp.c). */
#ifndef PERFGATE_REPLY_H
#define PERFGATE_REPLY_H

#include <stddef.h>
#include <stdint.h>

enum { REPLY_MAX_HEAD = 64 * 1024, REPLY_MAX_BODY = 8 * 1024 * 1024, REPLY_UNEXPECTED_BODY = 64 * 1024, LOCATION_KEPT = 512 };

/* Why bytes are no reply. The texts are in engine/reasons.py. */
typedef enum {
  REPLY_FINE = 0,
  REPLY_BAD_LINE_END,
  REPLY_BAD_STATUS_LINE,
  REPLY_BAD_HEADER,
  REPLY_BAD_LENGTH,
  REPLY_LENGTH_AND_CHUNKS,
  REPLY_BAD_CODING,
  REPLY_BAD_CHUNK,
  REPLY_UPGRADE,
  REPLY_HEAD_TOO_LARGE,
  REPLY_BODY_TOO_LARGE,
  REPLY_SURPLUS, /* more bytes than one reply has */
  REPLY_BAD_RESP,
} reply_error;

typedef enum {
  AT_STATUS,
  AT_HEADER,
  AT_BODY,
  AT_CHUNK_SIZE,
  AT_CHUNK_DATA,
  AT_CHUNK_END,
  AT_TRAILER,
  AT_UNTIL_CLOSE,
  AT_DONE,
  AT_FAILED,
} reply_state;

typedef enum { CODING_NONE = 0, CODING_GZIP, CODING_DEFLATE, CODING_BR, CODING_ZSTD, CODING_OTHER } content_coding;

typedef enum { PROTOCOL_HTTP1 = 0, PROTOCOL_RESP } wire_protocol;

typedef struct {
  /* What a good reply looks like, set before the first byte; a reply that looks otherwise keeps its body. */
  uint16_t want_status;
  int16_t want_first; /* first byte of the body; -1: any, even none */
  uint8_t keep_body;

  uint8_t protocol; /* wire_protocol, of the whole connection */
  uint8_t state;
  uint8_t error;
  uint8_t begun; /* some byte has come */
  uint8_t minor;
  uint8_t keep_alive;
  uint8_t saw_close, saw_keep_alive, chunked, has_length;
  uint8_t coding;
  uint8_t located; /* a redirect: what is kept is where it leads */
  uint8_t unexpected;
  uint16_t status;
  int16_t first;
  uint64_t length; /* of the body, from its header */
  uint64_t left;   /* of the body or the chunk */
  uint64_t size;   /* of the body so far */
  size_t head;     /* bytes of lines so far */

  /* Of the Redis protocol. */
  uint64_t elements; /* still to come */
  uint8_t headed;    /* its outermost element has come */
  uint8_t pushed;    /* what comes is a push, and no part of the reply */

  uint8_t *line; /* a line whose end has not come yet */
  size_t line_size, line_capacity;
  uint8_t *body; /* what is kept of the body */
  size_t body_size, body_capacity;
} reply;

/* Be ready for the next reply; buffers stay. */
void reply_begin(reply *r, uint16_t want_status, int16_t want_first, uint8_t keep_body);
/* Takes n bytes. Afterwards state is AT_DONE, AT_FAILED, or anything else when more must come. */
void reply_feed(reply *r, const uint8_t *bytes, size_t n);
/* The connection has ended; completes a reply that lasts until then. */
void reply_end(reply *r);
void reply_free(reply *r);

/* Between reply.c and resp.c. */
void resp_feed(reply *r, const uint8_t *bytes, size_t n);
void reply_fail(reply *r, reply_error error);
void reply_complete(reply *r);
void reply_take_body(reply *r, const uint8_t *bytes, size_t n);
int reply_append(uint8_t **buffer, size_t *size, size_t *capacity, const uint8_t *bytes, size_t n);

typedef struct {
  uint8_t state, error, keep_alive, coding;
  uint16_t status;
  uint64_t body_size;
  uint8_t *body; /* to be given to engine_free_body */
} parsed;

/* For the tests: what a reply that comes in n pieces comes to. closed: the connection ends after them. */
void reply_parse(const uint8_t *const *pieces, const size_t *sizes, size_t n, int closed, int protocol, parsed *to);

#endif
