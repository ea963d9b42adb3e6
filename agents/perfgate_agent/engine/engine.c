/* The hot path of a worker, in a thread of its own: an open loop over epoll, a timer with absolute times, and a pool of
 * keep-alive connections to each of two stores. It knows nothing of what is asked: the feeder encodes requests ahead of
 * their time, looks at replies and makes histograms, in another thread, while this one sleeps.
 *
 * Both share a table of requests. Slots go to the engine through the ring `submitted` and come back, with how they
 * ended, through the ring `ended`; each ring has one writer and one reader, and neither can overflow, for each holds
 * every slot at most once. */
#define _GNU_SOURCE
#include "engine.h"

#include "reply.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 64, READ_SIZE = 256 * 1024, EXAMPLE_BYTES = 120, NONE = -1 };
#define NOBODY UINT32_MAX
#define SWEEP_NS 50000000LL
#define RETRY_NS 1000000LL
#define CATCH_UP_GRAIN_NS 500000LL
#define NAP_NS 20000LL /* a sleep shorter than this costs more time than it saves: waking up takes as long */
#define DEAF_REPLY 16384 /* bytes; the kernel takes a reply of so many whole, though nobody reads it */
#define DEAF_PAUSE_NS 1000000000LL
#define FAR INT64_MAX

typedef enum { CLOSED, CONNECTING, IDLE, BUSY } phase;

typedef struct {
  int fd;
  uint32_t generation; /* events of an earlier connection in the same place are nobody's */
  uint32_t slot;       /* of the request under way */
  uint8_t phase, arm;
  uint8_t used; /* has carried a request before this one */
  uint8_t watches_writing;
  const uint8_t *out; /* what is still to be sent */
  size_t out_size;
  int64_t since_ns; /* when it began to connect */
  uint32_t idle_place;
  uint32_t received; /* bytes of the reply so far */
  reply reply;
} connection;

typedef struct {
  struct sockaddr_storage address;
  socklen_t address_size;
  connection *connections;
  uint32_t *idle; /* the one used last is on top */
  uint32_t idle_count, open, opening;
  uint32_t writing; /* connections that wait until the rest of a request can be sent */
  uint32_t waiting_first, waiting_last;
  uint32_t under_way; /* submitted and not ended */
  int64_t retry_ns;
  int64_t refused_since_ns;
} pool;

struct engine {
  engine_settings settings;
  engine_state state;
  request *requests;
  uint32_t mask;
  uint32_t *submitted;
  ending *ended;
  _Atomic uint64_t submitted_head, submitted_tail, ended_head, ended_tail;
  _Atomic uint32_t hungry, no_more, stop;
  _Atomic int64_t drain_ns; /* how long replies are waited for once the end has come */
  int epoll, timer, bell;
  pool pools[ARMS];
  int64_t next_sweep_ns, armed_ns, ended_ns;
  int64_t paced_ns, last_at_ns; /* of the request sent last: when by the pace of catching up, and when it was due */
  int64_t due_ns;                   /* when the next request may go */
  int64_t woke_ns;           /* when the timer fired last */
  int64_t realtime_ns;       /* how far the clock of the kernel's stamps is ahead */
  int64_t hearing_until_ns;  /* until then each reply is waited for: see may_be_deaf */
  struct epoll_event events[EVENTS];
  int event_count, event_next;
  int was_deaf; /* before these events */
  int64_t from_ns, until_ns; /* of a closed loop */
  uint32_t cut_segment[ARMS]; /* of each store: the segment in which its load was cut */
  uint8_t buffer[READ_SIZE];
};

static int64_t clock_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static uint64_t load(_Atomic uint64_t *counter) { return atomic_load_explicit(counter, memory_order_acquire); }
static void store(_Atomic uint64_t *counter, uint64_t value) { atomic_store_explicit(counter, value, memory_order_release); }

/* --- requests that end ---------------------------------------------------------------------------------------- */

static void finish(engine *e, uint32_t slot, end_kind kind, int system_error, int64_t done_ns, connection *c) {
  request *q = &e->requests[slot];
  uint64_t tail = e->ended_tail;
  ending *to = &e->ended[tail & e->mask];
  *to = (ending){.at_ns = q->at_ns, .sent_ns = q->sent_ns, .wait_ns = q->sent_ns ? q->wait_ns : 0, .done_ns = done_ns,
                 .slot = slot, .kind = (uint8_t)kind, .system_error = system_error};
  if (c) {
    reply *r = &c->reply;
    to->status = r->status, to->reason = r->error, to->coding = r->coding;
    to->judge = kind == END_REPLY && (r->keep_body || r->unexpected);
    if (r->body_size && (to->judge || kind == END_BAD_REPLY)) { /* handed over: the next reply gets a new buffer */
      to->body = r->body, to->body_size = (uint32_t)r->body_size;
      r->body = NULL, r->body_size = r->body_capacity = 0;
    }
  }
  store(&e->ended_tail, tail + 1);
}

static void finish_under_way(engine *e, uint32_t slot, end_kind kind, int system_error, int64_t done_ns, connection *c) {
  e->pools[e->requests[slot].arm].under_way--;
  if (kind != END_REPLY && done_ns) e->hearing_until_ns = done_ns + DEAF_PAUSE_NS;
  finish(e, slot, kind, system_error, done_ns, c);
}

static void abandon(engine *e, uint32_t slot) {
  e->requests[slot].sent_ns = 0;
  finish(e, slot, END_ABANDONED, 0, 0, NULL);
}

/* --- connections ---------------------------------------------------------------------------------------------- */

static uint64_t key_of(engine *e, connection *c) {
  pool *p = &e->pools[c->arm];
  return (uint64_t)c->generation << 32 | (uint64_t)c->arm << 24 | (uint64_t)(c - p->connections);
}

static void watch(engine *e, connection *c, int how, uint32_t events) {
  struct epoll_event event = {.events = events, .data.u64 = key_of(e, c)};
  epoll_ctl(e->epoll, how, c->fd, &event);
}

static void idle_add(pool *p, connection *c) {
  c->phase = IDLE, c->slot = NOBODY;
  c->idle_place = p->idle_count;
  p->idle[p->idle_count++] = (uint32_t)(c - p->connections);
}

static void idle_remove(pool *p, connection *c) { /* keeps the order of the others */
  for (uint32_t i = c->idle_place; i + 1 < p->idle_count; i++) {
    p->idle[i] = p->idle[i + 1];
    p->connections[p->idle[i]].idle_place = i;
  }
  p->idle_count--;
}

static void count_connections(engine *e) {
  e->state.connections = e->pools[0].open + e->pools[1].open;
  if (e->state.connections > e->state.connections_most) e->state.connections_most = e->state.connections;
}

static void shut(engine *e, connection *c) {
  pool *p = &e->pools[c->arm];
  if (c->phase == IDLE) idle_remove(p, c);
  p->writing -= c->watches_writing;
  if (c->phase == CONNECTING)
    p->opening--;
  else
    p->open--;
  /* A reset in the middle of an exchange: a store must not go on with what nobody waits for. */
  struct linger none = {.l_onoff = 1, .l_linger = 0};
  if (c->phase == BUSY && c->slot != NOBODY) setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  close(c->fd);
  c->fd = NONE, c->phase = CLOSED, c->generation++, c->slot = NOBODY, c->out_size = 0, c->watches_writing = 0;
  count_connections(e);
}

/* What this machine, not the store, has run out of: local_limit.py holds the same. */
static int is_local(int error) {
  return error == EMFILE || error == ENFILE || error == EADDRNOTAVAIL || error == ENOBUFS || error == ENOMEM;
}

static void refuse_first(engine *e, pool *p, int error, int64_t now) {
  uint32_t slot = p->waiting_first;
  p->waiting_first = e->requests[slot].next;
  finish_under_way(e, slot, END_REFUSED, error, now, NULL);
}

/* No connection can be had: whoever waits for one is told, since each of them would have met the same. Where others are
 * open they wait for those, except the one that found this machine at a limit of its own: of that somebody must hear. */
static void refused(engine *e, pool *p, int error, int64_t now) {
  int local = is_local(error);
  if (p->open || p->opening) {
    if (!local) return;
    if (p->waiting_first != NOBODY) refuse_first(e, p, error, now);
  } else {
    if (!p->refused_since_ns && !local) p->refused_since_ns = now;
    while (p->waiting_first != NOBODY) refuse_first(e, p, error, now);
  }
  p->retry_ns = now + RETRY_NS;
}

static void begin(engine *e, connection *c, uint32_t slot);

static void opened(engine *e, connection *c) {
  pool *p = &e->pools[c->arm];
  p->opening--, p->open++, p->refused_since_ns = 0;
  e->state.opened++;
  c->used = 0;
  count_connections(e);
  if (p->waiting_first != NOBODY) {
    uint32_t slot = p->waiting_first;
    c->phase = BUSY;
    p->waiting_first = e->requests[slot].next;
    begin(e, c, slot);
  } else {
    idle_add(p, c);
  }
}

/* Whether the kernel is to say when each reply arrived. A closed loop reads it at once, and a Unix socket has no such. */
static int stamps(const engine *e, const pool *p) { return !e->settings.closed_loop && p->address.ss_family != AF_UNIX; }

static void open_one(engine *e, pool *p, int64_t now) {
  connection *c = NULL;
  for (uint32_t i = 0; i < e->settings.connections && !c; i++)
    if (p->connections[i].phase == CLOSED) c = &p->connections[i];
  if (!c) return;
  int family = p->address.ss_family, one = 1;
  c->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) {
    refused(e, p, errno, now);
    return;
  }
  if (family != AF_UNIX) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (stamps(e, p)) setsockopt(c->fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
  c->phase = CONNECTING, c->since_ns = now, c->slot = NOBODY;
  p->opening++;
  int failed = connect(c->fd, (struct sockaddr *)&p->address, p->address_size) ? errno : 0;
  if (failed && failed != EINPROGRESS) {
    shut(e, c);
    refused(e, p, failed, now);
    return;
  }
  watch(e, c, EPOLL_CTL_ADD, failed ? EPOLLOUT : EPOLLIN | EPOLLRDHUP);
  if (!failed) opened(e, c);
}

static void replace(engine *e, pool *p, int64_t now) {
  if (p->waiting_first != NOBODY && p->open + p->opening < e->settings.connections && now >= p->retry_ns) open_one(e, p, now);
}

static void connected(engine *e, connection *c) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error) {
    pool *p = &e->pools[c->arm];
    shut(e, c);
    refused(e, p, error, clock_ns());
    return;
  }
  watch(e, c, EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP);
  opened(e, c);
}

/* --- sending -------------------------------------------------------------------------------------------------- */

static void lose(engine *e, connection *c, end_kind kind, int system_error, int64_t now) {
  pool *p = &e->pools[c->arm];
  if (c->slot != NOBODY) finish_under_way(e, c->slot, kind, system_error, now, c);
  shut(e, c);
  replace(e, p, now);
}

/* Whether the store's kernel has not taken the request, as far as ours knows: it closed the connection before. */
static int never_arrived(const engine *e, const connection *c) {
  struct tcp_info info;
  socklen_t size = sizeof info;
  memset(&info, 0, sizeof info);
  if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &size) || size < offsetof(struct tcp_info, tcpi_bytes_retrans)) return 0;
  uint64_t unknown = info.tcpi_bytes_sent - info.tcpi_bytes_retrans - (info.tcpi_bytes_acked - 1);
  uint32_t request_size = e->requests[c->slot].size;
  return unknown >= (request_size < 1024 ? request_size : 1024);
}

/* The connection ended (system_error 0), or broke, under the request. Without a byte of reply on a connection that has
 * served before, the store may have closed it while the request was on its way. */
static void broken(engine *e, connection *c, int system_error) {
  end_kind kind = END_RESET;
  if (!system_error && c->reply.begun)
    kind = END_TRUNCATED;
  else if (c->used && !c->reply.begun && (system_error == EPIPE || (!system_error && never_arrived(e, c))))
    kind = END_STALE;
  lose(e, c, kind, system_error, clock_ns());
}

static void watch_writing(engine *e, connection *c, int on) {
  if (c->watches_writing == on) return;
  watch(e, c, EPOLL_CTL_MOD, on ? EPOLLIN | EPOLLRDHUP | EPOLLOUT : EPOLLIN | EPOLLRDHUP);
  c->watches_writing = (uint8_t)on;
  if (on)
    e->pools[c->arm].writing++;
  else
    e->pools[c->arm].writing--;
}

static void push(engine *e, connection *c) {
  while (c->out_size) {
    ssize_t sent = send(c->fd, c->out, c->out_size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) return; /* reading tells what happened, and what the store said before */
    if (sent < 0) {
      watch_writing(e, c, 1);
      return;
    }
    c->out += sent, c->out_size -= (size_t)sent;
  }
  watch_writing(e, c, 0);
}

static void begin(engine *e, connection *c, uint32_t slot) {
  request *q = &e->requests[slot];
  c->slot = slot, c->phase = BUSY, c->received = 0;
  reply_begin(&c->reply, q->want_status, q->want_first, q->keep);
  c->out = q->bytes, c->out_size = q->size;
  q->sent_ns = clock_ns();
  if (q->wait_ns) {
    q->wait_ns += q->sent_ns;
    if (q->wait_ns > e->state.longest_wait_ns) e->state.longest_wait_ns = q->wait_ns;
  }
  push(e, c);
}

static void give_up_waiting(engine *e, pool *p) {
  while (p->waiting_first != NOBODY) {
    uint32_t slot = p->waiting_first;
    p->waiting_first = e->requests[slot].next;
    p->under_way--;
    abandon(e, slot);
  }
}

static void end_generating(engine *e) {
  if (e->state.ending) return;
  e->state.ending = 1, e->ended_ns = clock_ns();
  for (int arm = 0; arm < ARMS; arm++) give_up_waiting(e, &e->pools[arm]);
}

/* More is under way than the bound: the store cannot hold this rate, and queueing on would tell nothing more. After a
 * saturated warm-up the other arm's warm-up is still played, which tells what build is to blame. */
static void cut(engine *e, pool *p, request *q) {
  e->state.saturated = 1, e->cut_segment[q->arm] = q->segment;
  give_up_waiting(e, p);
  if (q->measured) end_generating(e);
}

static int is_cut(engine *e, uint32_t slot) {
  request *q = &e->requests[slot];
  if (!e->state.saturated) return 0;
  if (q->measured) end_generating(e);
  if (!q->measured && q->segment != e->cut_segment[q->arm]) return 0;
  abandon(e, slot);
  return 1;
}

static void deal(engine *e);

static void submit(engine *e, uint32_t slot, int64_t now) {
  request *q = &e->requests[slot];
  pool *p = &e->pools[q->arm];
  p->under_way++;
  q->sent_ns = q->wait_ns = 0;
  if (!p->idle_count && e->event_next < e->event_count) deal(e); /* replies that have not been read yet */
  if (p->idle_count) {
    connection *c = &p->connections[p->idle[--p->idle_count]];
    begin(e, c, slot);
  } else {
    q->wait_ns = -now, q->next = NOBODY;
    if (p->waiting_first == NOBODY)
      p->waiting_first = slot;
    else
      e->requests[p->waiting_last].next = slot;
    p->waiting_last = slot;
    if (p->open + p->opening < e->settings.connections && now >= p->retry_ns) open_one(e, p, now);
  }
  if (p->under_way > e->settings.backlog && !e->settings.closed_loop) cut(e, p, q);
}

/* When the request may go: when it is due, but after a delay of the engine's own not much faster than the schedule has
 * it, so that catching up is no burst that the scenario never asked for. What goes within CATCH_UP_GRAIN_NS may go
 * together: a wake-up for each would cost more time than there is. */
static int64_t release_ns(engine *e, request *q, int64_t now) {
  if (now - q->at_ns <= e->settings.catch_up_after_ns || !e->paced_ns) return q->at_ns;
  int64_t gap = q->at_ns - e->last_at_ns;
  int64_t paced = e->paced_ns + (gap > 0 ? (int64_t)((double)gap / e->settings.catch_up) : 0) - CATCH_UP_GRAIN_NS;
  return paced > q->at_ns ? paced : q->at_ns;
}

/* Notes that it goes now. The pace is kept from request to request, but what was missed of it is not made good. */
static void released(engine *e, request *q, int64_t now) {
  int64_t gap = q->at_ns - e->last_at_ns;
  int64_t paced = e->paced_ns + (gap > 0 ? (int64_t)((double)gap / e->settings.catch_up) : 0);
  int catching_up = e->paced_ns && now - q->at_ns > e->settings.catch_up_after_ns;
  e->paced_ns = catching_up && paced > now - CATCH_UP_GRAIN_NS ? paced : now;
  e->last_at_ns = q->at_ns;
}

static int may_go_closed(engine *e, request *q) {
  pool *p = &e->pools[q->arm];
  return p->idle_count || (p->open + p->opening < e->settings.connections && !p->opening && clock_ns() >= p->retry_ns);
}

/* Sends everything whose time has come. `now` may be a little old. */
static void send_due(engine *e, int64_t now) {
  uint64_t head = e->submitted_head, tail = load(&e->submitted_tail);
  e->due_ns = FAR;
  while (head != tail) {
    uint32_t slot = e->submitted[head & e->mask];
    request *q = &e->requests[slot];
    if (e->settings.closed_loop) {
      if (now < e->from_ns) {
        e->due_ns = e->from_ns;
        return;
      }
      if (now >= e->until_ns || !may_go_closed(e, q)) return;
      q->at_ns = now = clock_ns();
    } else if (!e->state.ending) {
      int64_t at = release_ns(e, q, now);
      if (at > now && at > (now = clock_ns())) {
        e->due_ns = at;
        return;
      }
      released(e, q, now);
    }
    store(&e->submitted_head, ++head);
    if (e->state.ending)
      abandon(e, slot);
    else if (!is_cut(e, slot))
      submit(e, slot, now);
    tail = load(&e->submitted_tail);
  }
}

/* --- replies -------------------------------------------------------------------------------------------------- */

static void answered(engine *e, connection *c, int64_t done_ns, int64_t now) {
  pool *p = &e->pools[c->arm];
  uint32_t slot = c->slot;
  int keep = c->reply.keep_alive && !c->out_size; /* an answer before the question was read spoils the connection */
  finish_under_way(e, slot, END_REPLY, 0, done_ns, c);
  c->used = 1, c->slot = NOBODY;
  if (!keep) {
    shut(e, c);
    replace(e, p, now);
  } else if (p->waiting_first != NOBODY) {
    slot = p->waiting_first;
    p->waiting_first = e->requests[slot].next;
    begin(e, c, slot);
  } else {
    idle_add(p, c);
  }
}

/* No reply of the protocol: what else comes cannot be understood. The bytes at hand are kept as an example. */
static void garbled(engine *e, connection *c, size_t n, int64_t now) {
  reply *r = &c->reply;
  if (r->error == REPLY_BODY_TOO_LARGE || r->error == REPLY_HEAD_TOO_LARGE) {
    lose(e, c, END_TOO_LARGE, 0, now);
    return;
  }
  size_t size = n < EXAMPLE_BYTES ? n : EXAMPLE_BYTES;
  free(r->body);
  r->body = malloc(size), r->body_size = r->body_capacity = r->body ? size : 0;
  if (r->body) memcpy(r->body, e->buffer, size);
  lose(e, c, END_BAD_REPLY, 0, now);
}

/* How far the real time, which the kernel stamps packets with, is ahead of the monotonic clock. Read anew each time, since
 * somebody may set it; once more where something came between. */
static void read_clocks(engine *e) {
  for (int tries = 0; tries < 3; tries++) {
    struct timespec real;
    int64_t before = clock_ns();
    clock_gettime(CLOCK_REALTIME, &real);
    int64_t after = clock_ns();
    e->realtime_ns = real.tv_sec * 1000000000LL + real.tv_nsec - (before + after) / 2;
    if (after - before < 2000) return;
  }
}

/* As recv; at_ns: when the last of these bytes reached this machine, or 0 where the kernel does not tell. */
static ssize_t receive(engine *e, connection *c, int64_t *at_ns) {
  union {
    struct cmsghdr align;
    char bytes[256];
  } told;
  struct iovec into = {.iov_base = e->buffer, .iov_len = READ_SIZE};
  struct msghdr message = {
      .msg_iov = &into, .msg_iovlen = 1, .msg_control = told.bytes, .msg_controllen = sizeof told.bytes};
  ssize_t n = recvmsg(c->fd, &message, 0);
  for (struct cmsghdr *one = n > 0 ? CMSG_FIRSTHDR(&message) : NULL; one; one = CMSG_NXTHDR(&message, one)) {
    if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_TIMESTAMPNS) continue;
    struct timespec stamp;
    memcpy(&stamp, CMSG_DATA(one), sizeof stamp);
    *at_ns = stamp.tv_sec * 1000000000LL + stamp.tv_nsec - e->realtime_ns;
  }
  return n;
}

/* When a reply was there: by the kernel's stamp where that can be, else now, and then replies are waited for again. So they
 * are where one is larger than what the kernel surely takes while nobody reads, and for a second after the first. */
static int64_t arrived(engine *e, connection *c, int64_t at_ns, int64_t now) {
  int stamped = at_ns >= e->requests[c->slot].sent_ns && at_ns <= now;
  if (!stamped || c->received > DEAF_REPLY || e->hearing_until_ns == FAR) e->hearing_until_ns = now + DEAF_PAUSE_NS;
  return stamped ? at_ns : now;
}

/* What came after a reply while nobody listened may have come over the idle connection, which costs no request. From now on
 * it is told apart. */
static void forgive(engine *e, reply *r, int64_t now) {
  r->state = AT_DONE, r->error = 0, r->keep_alive = 0;
  e->hearing_until_ns = now + DEAF_PAUSE_NS;
}

static void readable(engine *e, connection *c) {
  int64_t at_ns = 0;
  ssize_t n = stamps(e, &e->pools[c->arm]) ? receive(e, c, &at_ns) : recv(c->fd, e->buffer, READ_SIZE, 0);
  if (n < 0) {
    if (errno != EAGAIN && errno != EINTR) broken(e, c, errno);
    return;
  }
  int64_t now = clock_ns();
  if (c->phase != BUSY) { /* the store closes an idle connection, or talks out of turn */
    lose(e, c, END_RESET, 0, now);
    return;
  }
  if (n == 0) {
    reply_end(&c->reply);
    if (c->reply.state == AT_DONE)
      answered(e, c, arrived(e, c, 0, now), now);
    else
      broken(e, c, 0);
    return;
  }
  c->received += (uint32_t)n;
  reply_feed(&c->reply, e->buffer, (size_t)n);
  if (e->was_deaf && c->reply.state == AT_FAILED && c->reply.error == REPLY_SURPLUS) forgive(e, &c->reply, now);
  if (c->reply.state == AT_DONE)
    answered(e, c, stamps(e, &e->pools[c->arm]) ? arrived(e, c, at_ns, now) : now, now);
  else if (c->reply.state == AT_FAILED)
    garbled(e, c, (size_t)n, now);
  else if (c->received > DEAF_REPLY)
    e->hearing_until_ns = now + DEAF_PAUSE_NS; /* the rest may come only now that there is room for it */
}

static connection *connection_of(engine *e, const struct epoll_event *event) {
  uint32_t arm = (uint32_t)(event->data.u64 >> 24) & 0xff, place = (uint32_t)event->data.u64 & 0xffffff;
  return &e->pools[arm].connections[place];
}

static void happened(engine *e, const struct epoll_event *event) {
  connection *c = connection_of(e, event);
  if (c->phase == CLOSED || c->generation != (uint32_t)(event->data.u64 >> 32)) return;
  if (c->phase == CONNECTING) {
    connected(e, c);
    return;
  }
  if (event->events & EPOLLOUT) push(e, c);
  if (event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable(e, c);
}

/* --- time ----------------------------------------------------------------------------------------------------- */

static void sweep_pool(engine *e, pool *p, int64_t now) {
  int64_t oldest = now - e->settings.timeout_ns;
  while (p->waiting_first != NOBODY && e->requests[p->waiting_first].at_ns < oldest) {
    uint32_t slot = p->waiting_first;
    p->waiting_first = e->requests[slot].next;
    finish_under_way(e, slot, END_TIMEOUT, 0, now, NULL);
  }
  int patience_over = e->state.ending && now > e->ended_ns + atomic_load(&e->drain_ns);
  for (uint32_t i = 0; i < e->settings.connections; i++) {
    connection *c = &p->connections[i];
    if (c->phase == CONNECTING && (now - c->since_ns > e->settings.connect_ns || patience_over)) {
      shut(e, c);
      refused(e, p, ETIMEDOUT, now);
    } else if (c->phase == BUSY && patience_over) {
      lose(e, c, END_ABANDONED, 0, now);
    } else if (c->phase == BUSY && e->requests[c->slot].at_ns < oldest) {
      lose(e, c, END_TIMEOUT, 0, now);
    }
  }
  if (p->refused_since_ns && now - p->refused_since_ns > e->settings.lost_ns && !e->state.ending) {
    e->state.lost = 1;
    end_generating(e);
  }
}

static void sweep(engine *e, int64_t now) {
  if (atomic_load(&e->stop)) end_generating(e);
  for (int arm = 0; arm < ARMS; arm++)
    if (e->pools[arm].connections) sweep_pool(e, &e->pools[arm], now);
  e->next_sweep_ns = now + SWEEP_NS;
}

static int over(engine *e, int64_t now) {
  if (e->pools[0].under_way + e->pools[1].under_way) return 0;
  if (e->settings.closed_loop && now >= e->until_ns) return 1;
  if (e->submitted_head != load(&e->submitted_tail)) return 0;
  return e->state.ending || atomic_load(&e->no_more);
}

static void arm_timer(engine *e, int64_t at_ns) {
  if (at_ns == e->armed_ns) return;
  struct itimerspec spec = {.it_value = {.tv_sec = at_ns / 1000000000LL, .tv_nsec = at_ns % 1000000000LL}};
  timerfd_settime(e->timer, TFD_TIMER_ABSTIME, &spec, NULL); /* also takes back that it has fired */
  e->armed_ns = at_ns;
}

static int64_t wake_ns(engine *e) {
  int64_t at = e->due_ns < e->next_sweep_ns ? e->due_ns : e->next_sweep_ns;
  for (int arm = 0; arm < ARMS; arm++) {
    pool *p = &e->pools[arm];
    if (p->waiting_first != NOBODY && !p->open && !p->opening && p->retry_ns < at) at = p->retry_ns;
  }
  return at;
}

static void retry(engine *e, int64_t now) {
  for (int arm = 0; arm < ARMS; arm++)
    if (e->pools[arm].connections && !e->pools[arm].open) replace(e, &e->pools[arm], now);
}

/* Whether to sleep until the next request is due and read replies only then. The kernel stamps them when they arrive, so
 * nobody needs to be awake; that is one wake-up a request in place of two. Only after a second in which all went well, so
 * that outcomes are told apart as exactly as ever. Not while somebody waits for a connection, or a
 * connection is opened, or a request is still being sent, or the next one would find no connection free. */
static int may_be_deaf(const engine *e, int64_t now) {
  if (e->due_ns == FAR || now < e->hearing_until_ns || e->event_count == EVENTS) return 0;
  for (int arm = 0; arm < ARMS; arm++) {
    const pool *p = &e->pools[arm];
    if (p->connections && (!stamps(e, p) || p->opening || p->writing || !p->idle_count || p->waiting_first != NOBODY)) return 0;
  }
  return 1;
}

static void happened_to(engine *e, const struct epoll_event *event) {
  if (event->data.u64 == UINT64_MAX) { /* the timer: armed anew before the next wait */
    e->armed_ns = 0;
    if (e->settings.grain_ns) e->woke_ns = clock_ns();
  } else if (event->data.u64 == UINT64_MAX - 1) {
    uint64_t rung;
    if (read(e->bell, &rung, sizeof rung) >= 0 && atomic_load(&e->stop)) e->next_sweep_ns = 0;
  } else {
    happened(e, event);
  }
}

/* What has happened to connections, the rest of it if some was dealt with before. */
static void deal(engine *e) {
  while (e->event_next < e->event_count) happened_to(e, &e->events[e->event_next++]);
}

/* The same, but a long batch must not make the next request late; and in a closed loop the store must have work while the
 * other replies are read. */
static void deal_and_send(engine *e) {
  while (e->event_next < e->event_count) {
    happened_to(e, &e->events[e->event_next++]);
    if (e->settings.closed_loop) {
      send_due(e, clock_ns());
    } else if (e->event_next < e->event_count && e->due_ns != FAR) {
      int64_t now = clock_ns();
      if (now >= e->due_ns) send_due(e, now);
    }
  }
}

/* Connections that the store has closed meanwhile, or on which it has talked out of turn, must not get the next request. */
static void let_go(engine *e) {
  for (int i = 0; i < e->event_count; i++) {
    struct epoll_event *event = &e->events[i];
    if (event->data.u64 >= UINT64_MAX - 1) continue;
    if (!(event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) && connection_of(e, event)->phase != IDLE) continue;
    happened(e, event); /* the reply before the end, if there is one */
    happened(e, event);
    event->events = 0;
  }
}

/* Waits for whatever comes first and deals with it. */
static void turn(engine *e) {
  atomic_store(&e->hungry, e->due_ns == FAR);
  atomic_thread_fence(memory_order_seq_cst); /* either the feeder sees the hunger, or this thread what was fed */
  if (e->due_ns == FAR && !e->settings.closed_loop && e->submitted_head != load(&e->submitted_tail)) return; /* fed meanwhile */
  int64_t until = wake_ns(e), soonest = e->woke_ns + e->settings.grain_ns, now = clock_ns();
  if (until < soonest) until = soonest; /* at high rates some requests share a wake-up */
  int nap = until - now < NAP_NS, deaf = !nap && may_be_deaf(e, now);
  if (deaf) {
    struct timespec at = {.tv_sec = until / 1000000000LL, .tv_nsec = until % 1000000000LL};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    e->state.deaf++;
  } else if (!nap) {
    arm_timer(e, until);
  }
  int n = epoll_wait(e->epoll, e->events, EVENTS, nap || deaf ? 0 : -1);
  e->event_count = n > 0 ? n : 0, e->event_next = 0, e->was_deaf = deaf;
  e->state.wakes++;
  if (e->event_count && !e->settings.closed_loop) read_clocks(e);
  if (deaf) {
    let_go(e);
    now = clock_ns();
    if (e->settings.grain_ns) e->woke_ns = now;
    if (now >= e->due_ns) send_due(e, now);
  }
  deal_and_send(e);
}

/* --- the thread ----------------------------------------------------------------------------------------------- */

struct slice_attribute { /* struct sched_attr of the kernel */
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

/* This thread must not wait for the feeder, with whom it shares a core. With real-time priority it comes before it;
 * without, a short time slice lets it in early (Linux >= 6.12). Only tried. */
static void come_first(void) {
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  struct sched_param priority;
  if (sched_getscheduler(0) == SCHED_FIFO && !sched_getparam(0, &priority)) {
    priority.sched_priority++;
    sched_setscheduler(0, SCHED_FIFO, &priority);
  } else {
    struct slice_attribute slice = {.size = sizeof slice, .policy = SCHED_OTHER, .runtime = 100000};
    syscall(SYS_sched_setattr, 0, &slice, 0);
  }
}

int engine_run(engine *e) {
  come_first();
  int64_t now = clock_ns();
  for (int arm = 0; arm < ARMS; arm++) e->pools[arm].refused_since_ns = 0; /* what was refused before says nothing */
  e->next_sweep_ns = now + SWEEP_NS;
  for (;;) {
    if (now >= e->next_sweep_ns) sweep(e, now);
    retry(e, now);
    send_due(e, now);
    if (over(e, now)) break;
    turn(e);
    now = clock_ns();
  }
  e->state.finished = 1;
  return 0;
}

void engine_open(engine *e) {
  int64_t until = clock_ns() + e->settings.connect_ns;
  for (int arm = 0; arm < ARMS; arm++) {
    pool *p = &e->pools[arm];
    for (uint32_t i = 0; p->connections && i < e->settings.open_ahead; i++) open_one(e, p, clock_ns());
  }
  e->due_ns = FAR;
  while (e->pools[0].opening + e->pools[1].opening && clock_ns() < until) {
    e->next_sweep_ns = clock_ns() + SWEEP_NS;
    turn(e);
  }
}

/* --- the feeder's side ---------------------------------------------------------------------------------------- */

static void ring_bell(engine *e) {
  uint64_t one = 1;
  if (write(e->bell, &one, sizeof one) < 0) return; /* it rings already */
}

void engine_submit(engine *e, const uint32_t *slots, uint32_t n) {
  uint64_t tail = e->submitted_tail;
  for (uint32_t i = 0; i < n; i++) e->submitted[(tail + i) & e->mask] = slots[i];
  store(&e->submitted_tail, tail + n);
  if (atomic_exchange(&e->hungry, 0)) ring_bell(e);
}

void engine_window(engine *e, int64_t from_ns, int64_t until_ns) { e->from_ns = from_ns, e->until_ns = until_ns; }

void engine_no_more(engine *e) {
  atomic_store(&e->no_more, 1);
  ring_bell(e);
}

void engine_stop(engine *e, int64_t drain_ns) {
  atomic_store(&e->drain_ns, drain_ns);
  atomic_store(&e->stop, 1);
  ring_bell(e);
}

uint32_t engine_drain(engine *e, ending *to, uint32_t n) {
  uint64_t head = e->ended_head, tail = load(&e->ended_tail);
  uint32_t count = tail - head < n ? (uint32_t)(tail - head) : n;
  for (uint32_t i = 0; i < count; i++) to[i] = e->ended[(head + i) & e->mask];
  store(&e->ended_head, head + count);
  return count;
}

void engine_sizes(uint32_t sizes[4]) {
  sizes[0] = sizeof(request), sizes[1] = sizeof(ending), sizes[2] = sizeof(engine_settings), sizes[3] = sizeof(engine_state);
}

void engine_free_body(uint8_t *body) { free(body); }

void engine_take_bodies(const ending *rows, uint32_t n, uint8_t *to) {
  for (uint32_t i = 0; i < n; i++) {
    if (!rows[i].body) continue;
    memcpy(to, rows[i].body, rows[i].body_size);
    to += rows[i].body_size;
    free(rows[i].body);
  }
}

request *engine_requests(engine *e) { return e->requests; }
engine_state *engine_status(engine *e) { return &e->state; }

static int watch_descriptor(engine *e, int fd, uint64_t key) {
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = key};
  return fd < 0 ? -1 : epoll_ctl(e->epoll, EPOLL_CTL_ADD, fd, &event);
}

engine *engine_new(const engine_settings *settings) {
  engine *e = calloc(1, sizeof *e);
  if (!e) return NULL;
  atomic_init(&e->drain_ns, settings->drain_ns);
  e->settings = *settings, e->mask = settings->slots - 1, e->due_ns = e->hearing_until_ns = FAR;
  e->epoll = e->timer = e->bell = NONE;
  e->requests = calloc(settings->slots, sizeof *e->requests);
  e->submitted = calloc(settings->slots, sizeof *e->submitted);
  e->ended = calloc(settings->slots, sizeof *e->ended);
  e->epoll = epoll_create1(EPOLL_CLOEXEC);
  e->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  e->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  for (int arm = 0; arm < ARMS; arm++) e->pools[arm].waiting_first = e->cut_segment[arm] = NOBODY;
  if (!e->requests || !e->submitted || !e->ended || watch_descriptor(e, e->timer, UINT64_MAX) ||
      watch_descriptor(e, e->bell, UINT64_MAX - 1)) {
    engine_delete(e);
    return NULL;
  }
  return e;
}

int engine_address(engine *e, uint32_t arm, const void *address, uint32_t size) {
  if (arm >= ARMS || size > sizeof(struct sockaddr_storage)) return EINVAL;
  pool *p = &e->pools[arm];
  memcpy(&p->address, address, size);
  p->address_size = size;
  p->connections = calloc(e->settings.connections, sizeof *p->connections);
  p->idle = calloc(e->settings.connections, sizeof *p->idle);
  if (!p->connections || !p->idle) return ENOMEM;
  for (uint32_t i = 0; i < e->settings.connections; i++) {
    connection *c = &p->connections[i];
    c->fd = NONE, c->arm = (uint8_t)arm, c->slot = NOBODY;
    c->reply.protocol = (uint8_t)e->settings.protocol;
  }
  return 0;
}

static void delete_pool(engine *e, pool *p) {
  for (uint32_t i = 0; p->connections && i < e->settings.connections; i++) {
    connection *c = &p->connections[i];
    if (c->phase != CLOSED) shut(e, c);
    reply_free(&c->reply);
  }
  free(p->connections);
  free(p->idle);
}

void engine_delete(engine *e) {
  if (!e) return;
  for (int arm = 0; arm < ARMS; arm++) delete_pool(e, &e->pools[arm]);
  for (uint64_t i = e->ended_head; e->ended && i != e->ended_tail; i++) free(e->ended[i & e->mask].body);
  if (e->epoll >= 0) close(e->epoll);
  if (e->timer >= 0) close(e->timer);
  if (e->bell >= 0) close(e->bell);
  free(e->requests);
  free(e->submitted);
  free(e->ended);
  free(e);
}
