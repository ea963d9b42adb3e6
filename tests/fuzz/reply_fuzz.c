/* Feeds the engine's reply parsers with mutated replies, cut anywhere, under the sanitizers. `reply_fuzz SECONDS SEED`. */
#include "reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const CORPUS[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: application/json\r\n\r\n{\"a\":",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1a;x=y\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nTrailer: x\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close, x\r\n\r\n",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\neverything until the end",
    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/elsewhere\r\nContent-Encoding: gzip, br\r\nContent-Length: 3\r\n\r\nabc",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 503 Busy\r\nContent-Length: 18446744073709551616\r\n\r\n",
    "*4\r\n$2\r\nn1\r\n$6\r\n0.9736\r\n*2\r\n:17\r\n$-1\r\n+OK\r\n",
    "|1\r\n+ttl\r\n:3\r\n%2\r\n$1\r\na\r\n,1.5\r\n=7\r\ntxt:abc\r\n_\r\n",
    ">2\r\n+message\r\n$5\r\nhello\r\n-LOADING Redis is loading the dataset in memory\r\n",
    "!9\r\nERR wrong\r\n",
    "*999999999\r\n$8388609\r\n",
};

static uint64_t state;
static uint64_t draw(uint64_t below) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return below ? state % below : 0;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  time_t end = time(NULL) + atoi(argv[1]);
  state = strtoull(argv[2], NULL, 10) * 2654435761u + 88172645463325252u;
  unsigned long tries = 0, done = 0, failed = 0;
  reply r;
  memset(&r, 0, sizeof r);
  while (time(NULL) < end) {
    for (int round = 0; round < 2000; round++, tries++) {
      const char *seed = CORPUS[draw(sizeof CORPUS / sizeof *CORPUS)];
      size_t size = strlen(seed);
      uint8_t *text = malloc(size + 64);
      memcpy(text, seed, size);
      for (uint64_t changes = draw(5); changes && size; changes--) {
        size_t at = draw(size);
        if (draw(3) == 0) {
          memmove(text + at, text + at + 1, --size - at);
        } else if (draw(2) && size < strlen(seed) + 60) {
          memmove(text + at + 1, text + at, size - at);
          text[at] = (uint8_t)draw(256), size++;
        } else {
          text[at] = (uint8_t)draw(256);
        }
      }
      r.protocol = *seed == 'H' ? PROTOCOL_HTTP1 : PROTOCOL_RESP;
      reply_begin(&r, draw(2) ? 200 : 201, draw(2) ? '{' : -1, draw(2) != 0);
      for (size_t from = 0; from < size;) {
        size_t n = 1 + draw(size - from);
        uint8_t *piece = malloc(n); /* of its own, so that a byte too many is seen */
        memcpy(piece, text + from, n);
        reply_feed(&r, piece, n);
        free(piece);
        from += n;
      }
      if (draw(2)) reply_end(&r);
      if (r.body_size > r.body_capacity || r.line_size > r.line_capacity || r.state > AT_FAILED) abort();
      done += r.state == AT_DONE, failed += r.state == AT_FAILED;
      free(text);
    }
  }
  reply_free(&r);
  printf("%lu replies: %lu complete, %lu refused\n", tries, done, failed);
  return 0;
}
