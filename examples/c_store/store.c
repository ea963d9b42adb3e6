/* A small vector store: exact search in memory behind HTTP/1.1, one thread, nothing but libc. An example for perfgate.
 *
 *   cc -O2 -o store store.c -lm && ./store 7432
 *   POST /items   {"id": 17, "vector": [0.1, ...]}     201 {"id": 17}; the first vector settles the dimension
 *   POST /search  {"vector": [0.1, ...], "k": 10}      200 {"ids": [17, ...], "scores": [0.93, ...]}, by cosine
 *   GET  /count                                        200 {"count": 300}
 *   GET  /health                                       200 {}
 */
#define _GNU_SOURCE /* strcasestr */
#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_CLIENTS = 256, MAX_REQUEST = 1 << 18, MAX_DIM = 4096, MAX_K = 100 };

typedef struct {
    char bytes[MAX_REQUEST + 1];
    size_t used;
} Buffer;

static float *vectors; /* of length 1, one behind the other */
static long *ids;
static int count, room, dim;

/* The vector behind "vector", made one of length 1; how many numbers it has, or -1. */
static int read_vector(const char *body, float *vector) {
    const char *at = strstr(body, "\"vector\"");
    if (!at || !(at = strchr(at, '['))) return -1;
    int length = 0;
    double square = 0;
    for (at++; length < MAX_DIM; length++) {
        char *end;
        vector[length] = strtof(at, &end);
        if (end == at) break;
        square += vector[length] * vector[length];
        at = end + strspn(end, " ,");
    }
    if (*at != ']' || square == 0) return -1;
    float scale = (float)(1 / sqrt(square));
    for (int i = 0; i < length; i++) vector[i] *= scale;
    return length;
}

static long read_number(const char *body, const char *key, long otherwise) {
    const char *at = strstr(body, key);
    return at && (at = strchr(at, ':')) ? strtol(at + 1, NULL, 10) : otherwise;
}

static float similarity(const float *a, const float *b) {
    float sum = 0;
    for (int i = 0; i < dim; i++) sum += a[i] * b[i];
    return sum;
}

static int refused(char *reply) {
    return sprintf(reply, "{\"error\": \"no id, no k up to %d, or no vector of %d\"}", MAX_K, dim), 400;
}

/* Each of these writes a reply's body and gives its status. */
static int add(const char *body, char *reply) {
    static float vector[MAX_DIM];
    int length = read_vector(body, vector);
    long id = read_number(body, "\"id\"", -1);
    if (length < 1 || id < 0 || (dim && length != dim)) return refused(reply);
    dim = length;
    if (count == room) {
        room = room ? 2 * room : 1024;
        vectors = realloc(vectors, sizeof(float) * dim * room);
        ids = realloc(ids, sizeof(long) * room);
        if (!vectors || !ids) exit(1);
    }
    memcpy(vectors + (size_t)count * dim, vector, sizeof(float) * dim);
    ids[count++] = id;
    return sprintf(reply, "{\"id\": %ld}", id), 201;
}

static int search(const char *body, char *reply) {
    static float query[MAX_DIM];
    float best[MAX_K];
    int places[MAX_K], found = 0;
    long k = read_number(body, "\"k\"", 10);
    if (read_vector(body, query) != dim || k < 1 || k > MAX_K) return refused(reply);
    for (int i = 0; i < count; i++) {
        float score = similarity(query, vectors + (size_t)i * dim);
        if (found == k && score <= best[k - 1]) continue;
        int at = found < k ? found++ : (int)k - 1;
        for (; at > 0 && best[at - 1] < score; at--) best[at] = best[at - 1], places[at] = places[at - 1];
        best[at] = score, places[at] = i;
    }
    char *end = reply + sprintf(reply, "{\"ids\": [");
    for (int i = 0; i < found; i++) end += sprintf(end, "%s%ld", i ? ", " : "", ids[places[i]]);
    end += sprintf(end, "], \"scores\": [");
    for (int i = 0; i < found; i++) end += sprintf(end, "%s%.6f", i ? ", " : "", best[i]);
    sprintf(end, "]}");
    return 200;
}

static int answer(const char *head, const char *body, char *reply) {
    if (!strncmp(head, "POST /search ", 13)) return search(body, reply);
    if (!strncmp(head, "POST /items ", 12)) return add(body, reply);
    if (!strncmp(head, "GET /count ", 11)) return sprintf(reply, "{\"count\": %d}", count), 200;
    if (!strncmp(head, "GET /health ", 12)) return strcpy(reply, "{}"), 200;
    return strcpy(reply, "{\"error\": \"no such path\"}"), 404;
}

/* Answers every whole request in the buffer; 0 when the connection has ended or is to end. */
static int serve(int client, Buffer *in) {
    static char reply[8192], out[8192 + 128];
    ssize_t got = read(client, in->bytes + in->used, MAX_REQUEST - in->used);
    if (got <= 0) return 0;
    in->used += (size_t)got;
    for (;;) {
        in->bytes[in->used] = 0;
        char *end = strstr(in->bytes, "\r\n\r\n");
        if (!end) return in->used < MAX_REQUEST;
        char *length = strcasestr(in->bytes, "\ncontent-length:");
        size_t body = length && length < end ? strtoul(length + 16, NULL, 10) : 0;
        size_t whole = (size_t)(end + 4 - in->bytes) + body;
        if (body > MAX_REQUEST || whole > MAX_REQUEST) return 0;
        if (in->used < whole) return 1;
        char next = in->bytes[whole];
        in->bytes[whole] = 0; /* the body ends here for strtof and strstr */
        int status = answer(in->bytes, end + 4, reply);
        in->bytes[whole] = next;
        int bytes = sprintf(out, "HTTP/1.1 %d .\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(reply), reply);
        for (int sent = 0, wrote; sent < bytes; sent += wrote)
            if ((wrote = (int)send(client, out + sent, (size_t)(bytes - sent), MSG_NOSIGNAL)) < 0) return 0;
        memmove(in->bytes, in->bytes + whole, in->used -= whole);
    }
}

int main(int argc, char **argv) {
    static struct pollfd polled[MAX_CLIENTS + 1];
    static Buffer *buffers[MAX_CLIENTS + 1];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (argc != 2) return fprintf(stderr, "usage: store PORT\n"), 2;
    address.sin_port = htons((unsigned short)atoi(argv[1]));
    int yes = 1, used = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 128)) return perror("store"), 1;
    polled[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    for (;;) {
        poll(polled, (nfds_t)used, -1);
        for (int i = used - 1; i > 0; i--) {
            if (!polled[i].revents || serve(polled[i].fd, buffers[i])) continue;
            close(polled[i].fd);
            free(buffers[i]);
            polled[i] = polled[--used];
            buffers[i] = buffers[used];
        }
        if (!(polled[0].revents & POLLIN)) continue;
        int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        if (used > MAX_CLIENTS) { close(client); continue; }
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        polled[used] = (struct pollfd){.fd = client, .events = POLLIN};
        buffers[used++] = calloc(1, sizeof(Buffer));
    }
}
