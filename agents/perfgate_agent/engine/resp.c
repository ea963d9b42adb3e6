/* One reply of the Redis protocol, RESP2 and RESP3, told apart as its bytes come; resp_reader.py does the same.
 *
 * Nesting needs no stack: an element takes one off what is still to come, a list adds its length. An attribute stands before an
 * element and takes nothing off; a push stands before a reply and is passed over. */
#include "reply.h"

#include <string.h>

enum { MAX_LINE = 64 * 1024, LEAST_ELEMENT = 3, VALUE = 200, ERROR = 500, UNREADY = 503 };

/* A length of at most 15 digits, or RESP2's null; -2: neither. */
static int64_t length_of(const uint8_t *s, size_t n) {
  if (n == 2 && s[0] == '-' && s[1] == '1') return -1;
  if (n == 0 || n > 15) return -2;
  int64_t value = 0;
  for (size_t i = 0; i < n; i++) {
    if (s[i] < '0' || s[i] > '9') return -2;
    value = value * 10 + (s[i] - '0');
  }
  return value;
}

/* The outermost element says what the reply is. */
static void head(reply *r, const uint8_t *s, size_t n) {
  r->headed = 1;
  r->status = s[0] != '-' && s[0] != '!' ? VALUE : s[0] == '-' && n >= 9 && !memcmp(s + 1, "LOADING ", 8) ? UNREADY : ERROR;
  r->unexpected = r->unexpected || r->status != r->want_status;
}

static void list(reply *r, uint8_t kind, int64_t count) {
  if (count < -1 || (kind == '>' && (r->pushed || r->size))) {
    reply_fail(r, REPLY_BAD_RESP);
    return;
  }
  if (kind == '>') r->pushed = 1;
  if (count > 0) r->elements += (uint64_t)count * (kind == '%' || kind == '|' ? 2 : 1);
  if (kind != '>' && kind != '|') r->elements--;
  if (r->elements > REPLY_MAX_BODY / LEAST_ELEMENT) reply_fail(r, REPLY_BODY_TOO_LARGE);
}

/* The first line of an element, without its end. */
static void element(reply *r, const uint8_t *s, size_t n) {
  uint8_t kind = n ? s[0] : 0;
  if (r->elements == 1 && !r->headed && n && kind != '>' && kind != '|') head(r, s, n);
  switch (kind) {
  case '+': case '-': case ':': case '_': case '#': case ',': case '(':
    r->elements--;
    break;
  case '$': case '!': case '=': {
    int64_t length = length_of(s + 1, n - 1);
    if (length > REPLY_MAX_BODY)
      reply_fail(r, REPLY_BODY_TOO_LARGE);
    else if (length == -1)
      r->elements--;
    else if (length < 0)
      reply_fail(r, REPLY_BAD_RESP);
    else
      r->left = (uint64_t)length + 2, r->state = AT_BODY;
    break;
  }
  case '*': case '~': case '>': case '%': case '|':
    list(r, kind, length_of(s + 1, n - 1));
    break;
  default:
    reply_fail(r, REPLY_BAD_RESP);
  }
}

/* What belongs to the reply is its body; of a push only the size counts. */
static void keep(reply *r, const uint8_t *bytes, size_t n) {
  if (!r->pushed)
    reply_take_body(r, bytes, n);
  else if ((r->size += n) > REPLY_MAX_BODY)
    reply_fail(r, REPLY_BODY_TOO_LARGE);
}

/* Up to the next CR LF; returns how many bytes were taken. */
static size_t feed_line(reply *r, const uint8_t *bytes, size_t n) {
  const uint8_t *newline = bytes;
  while ((newline = memchr(newline, '\n', n - (size_t)(newline - bytes)))) {
    uint8_t before = newline > bytes ? newline[-1] : r->line_size ? r->line[r->line_size - 1] : 0;
    if (before == '\r') break;
    if (++newline == bytes + n) {
      newline = NULL;
      break;
    }
  }
  size_t taken = newline ? (size_t)(newline - bytes) + 1 : n;
  if (r->line_size + taken > MAX_LINE + (newline ? 2 : 1)) {
    reply_fail(r, REPLY_BODY_TOO_LARGE);
    return taken;
  }
  if ((!newline || r->line_size) && !reply_append(&r->line, &r->line_size, &r->line_capacity, bytes, taken)) {
    reply_fail(r, REPLY_BODY_TOO_LARGE);
    return taken;
  }
  if (!newline) return taken;
  const uint8_t *line = r->line_size ? r->line : bytes;
  size_t size = r->line_size ? r->line_size : taken;
  r->line_size = 0;
  uint8_t kind = line[0];
  uint8_t fresh = !r->pushed && kind == '>'; /* its own first line is no part of the reply either */
  element(r, line, size - 2);
  if (r->state != AT_FAILED && !fresh) keep(r, line, size);
  return taken;
}

/* Of a string, and of the line end behind it. */
static size_t feed_string(reply *r, const uint8_t *bytes, size_t n) {
  size_t taken = 1;
  if (r->left > 2)
    taken = n < r->left - 2 ? n : (size_t)r->left - 2;
  else if (bytes[0] != (r->left == 2 ? '\r' : '\n')) {
    reply_fail(r, REPLY_BAD_RESP);
    return taken;
  }
  r->left -= taken;
  if (!r->left) r->elements--, r->state = AT_STATUS;
  keep(r, bytes, taken);
  return taken;
}

void resp_feed(reply *r, const uint8_t *bytes, size_t n) {
  if (!r->begun) r->elements = 1;
  while (n && r->state != AT_FAILED) {
    if (r->state == AT_DONE) {
      reply_fail(r, REPLY_SURPLUS);
      return;
    }
    r->begun = 1;
    size_t taken = r->state == AT_BODY ? feed_string(r, bytes, n) : feed_line(r, bytes, n);
    bytes += taken, n -= taken;
    if (r->state != AT_STATUS || r->line_size) continue; /* in the middle of an element, or failed */
    if (r->pushed && r->elements == 1) r->pushed = r->begun = 0, r->size = 0;
    if (!r->elements) r->keep_alive = 1, reply_complete(r);
  }
}
