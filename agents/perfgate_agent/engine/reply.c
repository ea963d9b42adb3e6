#include "reply.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void reply_fail(reply *r, reply_error error) {
  r->state = AT_FAILED;
  r->error = (uint8_t)error;
}

void reply_begin(reply *r, uint16_t want_status, int16_t want_first, uint8_t keep_body) {
  uint8_t *line = r->line, *body = r->body;
  size_t line_capacity = r->line_capacity, body_capacity = r->body_capacity;
  uint8_t protocol = r->protocol;
  memset(r, 0, sizeof *r);
  r->line = line, r->line_capacity = line_capacity;
  r->body = body, r->body_capacity = body_capacity;
  r->want_status = want_status, r->want_first = want_first, r->keep_body = keep_body;
  r->first = -1;
  r->protocol = protocol;
}

void reply_free(reply *r) {
  free(r->line);
  free(r->body);
  memset(r, 0, sizeof *r);
}

/* Appends to a buffer that grows by doubling; 0 when there is no memory. */
int reply_append(uint8_t **buffer, size_t *size, size_t *capacity, const uint8_t *bytes, size_t n) {
  if (*size + n > *capacity) {
    size_t wanted = *capacity ? *capacity : 512;
    while (wanted < *size + n) wanted *= 2;
    uint8_t *larger = realloc(*buffer, wanted);
    if (!larger) return 0;
    *buffer = larger, *capacity = wanted;
  }
  memcpy(*buffer + *size, bytes, n);
  *size += n;
  return 1;
}

static int is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

/* RFC 9110, 5.6.2: the characters of a field's name. */
static int is_token(uint8_t c) {
  static const char others[] = "!#$%&'*+-.^_`|~";
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr(others, c) != NULL);
}

/* `HTTP/1.1 200 OK`; the reason may be missing. */
static void status_line(reply *r, const uint8_t *s, size_t n) {
  if (n == 0) return; /* empty lines before it are passed over, as llhttp does; the bound of the head holds */
  if (n < 12 || memcmp(s, "HTTP/1.", 7) != 0 || (s[7] != '0' && s[7] != '1') || s[8] != ' ' || !is_digit(s[9]) ||
      !is_digit(s[10]) || !is_digit(s[11]) || (n > 12 && s[12] != ' ')) {
    reply_fail(r, REPLY_BAD_STATUS_LINE);
    return;
  }
  r->minor = s[7] - '0';
  r->status = (uint16_t)((s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0'));
  if (r->status < 100) {
    reply_fail(r, REPLY_BAD_STATUS_LINE);
    return;
  }
  r->state = AT_HEADER;
}

static int same(const uint8_t *s, size_t n, const char *word) { return n == strlen(word) && !strncasecmp((const char *)s, word, n); }

/* Calls `take` with every element of a comma-separated list. */
static void each(reply *r, const uint8_t *s, size_t n, void (*take)(reply *, const uint8_t *, size_t)) {
  const uint8_t *end = s + n;
  while (s < end) {
    const uint8_t *comma = memchr(s, ',', (size_t)(end - s));
    const uint8_t *stop = comma ? comma : end;
    const uint8_t *last = stop;
    while (s < last && (*s == ' ' || *s == '\t')) s++;
    while (last > s && (last[-1] == ' ' || last[-1] == '\t')) last--;
    if (last > s) take(r, s, (size_t)(last - s));
    s = comma ? comma + 1 : end;
  }
}

static void connection_option(reply *r, const uint8_t *s, size_t n) {
  if (same(s, n, "close")) r->saw_close = 1;
  if (same(s, n, "keep-alive")) r->saw_keep_alive = 1;
}

static void transfer_coding(reply *r, const uint8_t *s, size_t n) {
  if (same(s, n, "chunked") && !r->chunked)
    r->chunked = 1;
  else
    reply_fail(r, REPLY_BAD_CODING); /* what is inside could not be read, and chunked must be the last */
}

static void coding(reply *r, const uint8_t *s, size_t n) {
  if (same(s, n, "identity")) return;
  static const char *const names[] = {"", "gzip", "deflate", "br", "zstd"};
  uint8_t named = same(s, n, "x-gzip") ? CODING_GZIP : CODING_OTHER;
  for (uint8_t i = CODING_GZIP; i < CODING_OTHER; i++)
    if (same(s, n, names[i])) named = i;
  r->coding = r->coding ? CODING_OTHER : named; /* one upon another is nothing we take apart */
}

static void content_length(reply *r, const uint8_t *s, size_t n) {
  uint64_t value = 0;
  if (n == 0 || n > 18) {
    reply_fail(r, REPLY_BAD_LENGTH);
    return;
  }
  for (size_t i = 0; i < n; i++) {
    if (!is_digit(s[i])) {
      reply_fail(r, REPLY_BAD_LENGTH);
      return;
    }
    value = value * 10 + (uint64_t)(s[i] - '0');
  }
  if (r->has_length) { /* twice: llhttp refuses it even where both agree, and so do we */
    reply_fail(r, REPLY_BAD_LENGTH);
    return;
  }
  r->has_length = 1, r->length = value;
}

static void header_line(reply *r, const uint8_t *s, size_t n) {
  size_t colon = 0;
  while (colon < n && is_token(s[colon])) colon++;
  if (colon == 0 || colon == n || s[colon] != ':') {
    reply_fail(r, REPLY_BAD_HEADER);
    return;
  }
  const uint8_t *value = s + colon + 1, *end = s + n;
  while (value < end && (*value == ' ' || *value == '\t')) value++;
  while (end > value && (end[-1] == ' ' || end[-1] == '\t')) end--;
  for (const uint8_t *c = value; c < end; c++)
    if ((*c < ' ' && *c != '\t') || *c == 0x7f) {
      reply_fail(r, REPLY_BAD_HEADER);
      return;
    }
  size_t size = (size_t)(end - value);
  switch (colon) { /* most names differ in length from those that matter */
  case 8: /* where a redirect leads is kept in place of its body */
    if (same(s, 8, "location") && !r->located) {
      r->located = 1, r->body_size = 0;
      reply_append(&r->body, &r->body_size, &r->body_capacity, value, size < LOCATION_KEPT ? size : LOCATION_KEPT);
    }
    break;
  case 10:
    if (same(s, 10, "connection")) each(r, value, size, connection_option);
    break;
  case 14:
    if (same(s, 14, "content-length")) content_length(r, value, size);
    break;
  case 16:
    if (same(s, 16, "content-encoding")) each(r, value, size, coding);
    break;
  case 17:
    if (same(s, 17, "transfer-encoding")) each(r, value, size, transfer_coding);
    break;
  default:
    break;
  }
}

void reply_complete(reply *r) {
  r->state = AT_DONE;
  if (r->want_first >= 0 && r->first < 0) r->unexpected = 1; /* a body was wanted */
}

static void head_complete(reply *r) {
  if (r->chunked && r->has_length) {
    reply_fail(r, REPLY_LENGTH_AND_CHUNKS);
    return;
  }
  if (r->status == 101) {
    reply_fail(r, REPLY_UPGRADE);
    return;
  }
  if (r->status < 200) { /* an interim reply; the real one follows */
    uint8_t begun = r->begun;
    reply_begin(r, r->want_status, r->want_first, r->keep_body);
    r->begun = begun;
    return;
  }
  r->located = r->located && r->status >= 300 && r->status < 400;
  if (!r->located) r->body_size = 0;
  r->keep_alive = r->minor == 1 ? !r->saw_close : r->saw_keep_alive && !r->saw_close;
  r->unexpected = r->status != r->want_status || r->coding != CODING_NONE;
  if (r->status == 204 || r->status == 304) {
    reply_complete(r);
  } else if (r->chunked) {
    r->state = AT_CHUNK_SIZE;
  } else if (r->has_length) {
    r->left = r->length, r->state = AT_BODY;
    if (r->length > REPLY_MAX_BODY)
      reply_fail(r, REPLY_BODY_TOO_LARGE);
    else if (!r->left)
      reply_complete(r);
  } else {
    r->keep_alive = 0, r->state = AT_UNTIL_CLOSE;
  }
}

/* `1a2b;extension`. */
static void chunk_size(reply *r, const uint8_t *s, size_t n) {
  uint64_t value = 0;
  size_t i = 0;
  for (; i < n && s[i] != ';' && s[i] != ' ' && s[i] != '\t'; i++) {
    uint8_t c = s[i] | 0x20;
    int digit = is_digit(s[i]) ? s[i] - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0 || i >= 15) {
      reply_fail(r, REPLY_BAD_CHUNK);
      return;
    }
    value = value * 16 + (uint64_t)digit;
  }
  while (i < n && (s[i] == ' ' || s[i] == '\t')) i++;
  if (i == 0 || (i < n && s[i] != ';')) {
    reply_fail(r, REPLY_BAD_CHUNK);
    return;
  }
  r->head = 0; /* the bound is for each line outside the head */
  r->left = value;
  r->state = value ? AT_CHUNK_DATA : AT_TRAILER;
}

static void take_line(reply *r, const uint8_t *s, size_t n) {
  switch (r->state) {
  case AT_STATUS:
    status_line(r, s, n);
    break;
  case AT_HEADER:
    if (n)
      header_line(r, s, n);
    else
      head_complete(r);
    break;
  case AT_CHUNK_SIZE:
    chunk_size(r, s, n);
    break;
  case AT_CHUNK_END:
    if (n)
      reply_fail(r, REPLY_BAD_CHUNK);
    else
      r->state = AT_CHUNK_SIZE;
    break;
  default: /* AT_TRAILER: fields that nobody asked for */
    if (!n) reply_complete(r);
  }
}

/* Bytes up to the next line's end; returns how many were taken. */
static size_t feed_line(reply *r, const uint8_t *bytes, size_t n) {
  const uint8_t *newline = memchr(bytes, '\n', n);
  size_t taken = newline ? (size_t)(newline - bytes) + 1 : n;
  r->head += taken;
  if (r->head > REPLY_MAX_HEAD) {
    reply_fail(r, REPLY_HEAD_TOO_LARGE);
    return taken;
  }
  if (!newline || r->line_size) {
    if (!reply_append(&r->line, &r->line_size, &r->line_capacity, bytes, taken)) {
      reply_fail(r, REPLY_HEAD_TOO_LARGE);
      return taken;
    }
    if (!newline) return taken;
  }
  const uint8_t *line = r->line_size ? r->line : bytes;
  size_t size = r->line_size ? r->line_size : taken;
  r->line_size = 0;
  if (size < 2 || line[size - 2] != '\r')
    reply_fail(r, REPLY_BAD_LINE_END);
  else
    take_line(r, line, size - 2);
  return taken;
}

void reply_take_body(reply *r, const uint8_t *bytes, size_t n) {
  if (r->first < 0 && n) {
    r->first = bytes[0];
    if (r->want_first >= 0 && r->first != r->want_first) r->unexpected = 1;
  }
  r->size += n;
  if (r->size > REPLY_MAX_BODY) {
    reply_fail(r, REPLY_BODY_TOO_LARGE);
    return;
  }
  size_t most = r->located ? 0 : r->keep_body || r->coding ? REPLY_MAX_BODY : r->unexpected ? REPLY_UNEXPECTED_BODY : 0;
  size_t kept = r->body_size < most ? most - r->body_size : 0;
  if (kept > n) kept = n;
  if (kept && !reply_append(&r->body, &r->body_size, &r->body_capacity, bytes, kept)) reply_fail(r, REPLY_BODY_TOO_LARGE);
}

void reply_feed(reply *r, const uint8_t *bytes, size_t n) {
  if (r->protocol == PROTOCOL_RESP) {
    resp_feed(r, bytes, n);
    return;
  }
  while (n && r->state != AT_FAILED) {
    size_t taken;
    r->begun = 1;
    switch (r->state) {
    case AT_DONE:
      reply_fail(r, REPLY_SURPLUS);
      return;
    case AT_BODY:
    case AT_CHUNK_DATA:
      taken = n < r->left ? n : (size_t)r->left;
      reply_take_body(r, bytes, taken);
      r->left -= taken;
      if (!r->left && r->state == AT_BODY) reply_complete(r);
      if (!r->left && r->state == AT_CHUNK_DATA) r->state = AT_CHUNK_END;
      break;
    case AT_UNTIL_CLOSE:
      taken = n;
      reply_take_body(r, bytes, n);
      break;
    default:
      taken = feed_line(r, bytes, n);
    }
    bytes += taken, n -= taken;
  }
}

void reply_end(reply *r) {
  if (r->state == AT_UNTIL_CLOSE) reply_complete(r);
}

void reply_parse(const uint8_t *const *pieces, const size_t *sizes, size_t n, int closed, int protocol, parsed *to) {
  reply r;
  memset(&r, 0, sizeof r);
  r.protocol = (uint8_t)protocol;
  reply_begin(&r, 200, -1, 1);
  for (size_t i = 0; i < n; i++) reply_feed(&r, pieces[i], sizes[i]);
  if (closed) reply_end(&r);
  *to = (parsed){r.state, r.error, r.keep_alive, r.coding, r.status, r.body_size, r.body};
  r.body = NULL;
  reply_free(&r);
}
