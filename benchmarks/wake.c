/* What one wake-up costs on this machine, with nothing else done: the floor of any generator that sends one request at a
 * time and sleeps in between, for each request needs two (it is due; its reply is there).
 *
 *   cc -O2 -o wake benchmarks/wake.c && ./wake [CPU]
 *
 * Prints CPU time a wake-up and how late it came, for the ways to sleep until an absolute time. Takes 15 seconds. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <time.h>

static int64_t clock_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int timer, poller;

static void sleep_timerfd(int64_t until) {
  struct itimerspec spec = {.it_value = {until / 1000000000, until % 1000000000}};
  struct epoll_event event;
  timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL);
  epoll_wait(poller, &event, 1, -1);
}

static void sleep_pwait2(int64_t until) {
  int64_t left = until - clock_ns(CLOCK_MONOTONIC);
  struct timespec wait = {left / 1000000000, left % 1000000000};
  struct epoll_event event;
  if (left > 0) epoll_pwait2(poller, &event, 1, &wait, NULL);
}

static void sleep_nanosleep(int64_t until) {
  struct timespec at = {until / 1000000000, until % 1000000000};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void measure(const char *name, void (*wait)(int64_t), int64_t gap_ns) {
  enum { TIMES = 3000 };
  int64_t at = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID), late = 0;
  for (int i = 0; i < TIMES; i++) {
    at += gap_ns;
    wait(at);
    late += clock_ns(CLOCK_MONOTONIC) - at;
  }
  cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
  printf("%-16s every %4lld us: %5.1f us of CPU, %5.1f us late\n", name, (long long)gap_ns / 1000, cpu / 1e3 / TIMES,
         late / 1e3 / TIMES);
}

int main(int argc, char **argv) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(argc > 1 ? atoi(argv[1]) : 0, &cpus);
  sched_setaffinity(0, sizeof cpus, &cpus);
  struct sched_param priority = {.sched_priority = 2};
  printf("%s\n", sched_setscheduler(0, SCHED_FIFO, &priority) ? "ordinary priority" : "real-time priority");
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), poller = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event);
  for (int64_t gap = 1000000; gap >= 200000; gap /= 5) {
    measure("timerfd", sleep_timerfd, gap);
    measure("clock_nanosleep", sleep_nanosleep, gap);
  }
  struct epoll_event off = {.events = 0};
  epoll_ctl(poller, EPOLL_CTL_MOD, timer, &off);
  for (int64_t gap = 1000000; gap >= 200000; gap /= 5) measure("epoll_pwait2", sleep_pwait2, gap);
  return 0;
}
