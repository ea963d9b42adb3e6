/* The least that sending a request and reading its reply costs on this machine: a generator that parses nothing, records
 * nothing and knows no more than how long a reply is. Whatever measures as well can only cost more.
 *
 *   cc -O2 -o floor benchmarks/floor.c
 *   ./floor PORT SECONDS CONNECTIONS         closed loop: the next request as soon as the reply is there
 *   ./floor PORT SECONDS CONNECTIONS RATE    open loop: one request at a time, evenly; replies are read when the next is due
 *
 * Prints one line of JSON as benchmarks/speed/ours.py does. CPU time is that of the whole process. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 256 };
static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
static int sockets[MOST];
static char buffer[65536];

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int dial(int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to)) fail("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

static void ask(int fd) {
  if (send(fd, REQUEST, sizeof REQUEST - 1, MSG_NOSIGNAL) != sizeof REQUEST - 1) fail("send");
}

/* Replies are small and arrive whole. Returns whether there was one. */
static int hear(int fd) {
  ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n > 0) return 1;
  if (n == 0 || errno != EAGAIN) fail("recv");
  return 0;
}

static uint64_t closed(int connections, int64_t until) {
  struct epoll_event events[MOST];
  int poller = epoll_create1(0);
  uint64_t done = 0;
  for (int i = 0; i < connections; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = sockets[i]};
    epoll_ctl(poller, EPOLL_CTL_ADD, sockets[i], &event);
    ask(sockets[i]);
  }
  while (now_ns() < until) {
    int n = epoll_wait(poller, events, MOST, 100);
    for (int i = 0; i < n; i++) {
      if (!hear(events[i].data.fd)) continue;
      done++;
      ask(events[i].data.fd);
    }
  }
  return done;
}

static uint64_t paced(int connections, int64_t until, double rate) {
  int64_t gap = (int64_t)(1e9 / rate), at = now_ns();
  uint64_t sent = 0, done = 0;
  for (; at < until; at += gap) {
    struct timespec due = {at / 1000000000, at % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
    ask(sockets[sent % (uint64_t)connections]);
    if (sent) done += (uint64_t)hear(sockets[(sent - 1) % (uint64_t)connections]);
    sent++;
  }
  usleep(100000);
  for (int i = 0; i < connections; i++) done += (uint64_t)hear(sockets[i]);
  return done;
}

int main(int argc, char **argv) {
  if (argc < 4 || atoi(argv[3]) < 1 || atoi(argv[3]) > MOST) {
    fprintf(stderr, "usage: floor PORT SECONDS CONNECTIONS(1-%d) [RATE]\n", MOST);
    return 2;
  }
  int connections = atoi(argv[3]);
  double seconds = atof(argv[2]), rate = argc > 4 ? atof(argv[4]) : 0;
  struct sched_param priority = {.sched_priority = 2};
  sched_setscheduler(0, SCHED_FIFO, &priority); /* as perfgate's worker, where it is allowed */
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  for (int i = 0; i < connections; i++) sockets[i] = dial(atoi(argv[1]));
  struct rusage used;
  int64_t began = now_ns(), until = began + (int64_t)(seconds * 1e9);
  uint64_t done = rate > 0 ? paced(connections, until, rate) : closed(connections, until);
  getrusage(RUSAGE_SELF, &used);
  double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  printf("{\"completed\": %llu, \"failed\": 0, \"seconds\": %.6f, \"p50_ms\": null, \"p99_ms\": null, \"cpu_s\": %.6f}\n",
         (unsigned long long)done, (until - began) / 1e9, cpu);
  return 0;
}
