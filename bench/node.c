/*
 * node.c - a synthetic Ollama node for benchmarks and tests.  One thread, epoll, 127.0.0.1 only.
 *
 *   cc -O2 -o node node.c && ./node PORT [n=100] [ms=50] [size=262144] [wait=0] [pad=0]
 *
 * The settings are defaults; a request's query string overrides them one by one
 * (/api/chat?n=20&ms=0), so a proxy that drops the query still gets the defaults.
 *
 *   GET  /api/version and anything else   tiny JSON
 *   GET  /api/tags /api/ps /v1/models     one model, "m:latest"
 *   POST /api/chat /api/generate          NDJSON: n chunks, one each `ms` (0: as fast as they are read),
 *                                         the last of them the "done" object.  The head comes with the
 *                                         first chunk, as Ollama's does, `wait` ms after the request;
 *                                         pad: extra bytes a chunk
 *   POST /v1/...completions               the same as server-sent events
 *   POST /api/embed, or "stream":false at the start of the body    one JSON of `size` bytes
 *   GET  /stats                           requests, active, finished, cancelled, connections, last_cancel_ns
 *   GET  /cancelled?id=K                  when the stream asked for with id=K (0 < K) was cancelled, in ns;
 *                                         0: not (yet), or forgotten since (the last 65,536 ids are known)
 *
 * Each chunk but the last carries "@@" and 19 digits: CLOCK_MONOTONIC in ns when it was made.  The
 * times of cancellation are of the same clock: Python's time.monotonic_ns() on the same machine.
 *
 * What it does not do: requests that were pipelined wait for the answer before them, and a client that
 * half-closes counts as gone.  With ms > 0 a client that does not read makes the node's memory grow.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IN_MAX = 65536, FD_MAX = 65536, ID_MAX = 65536, ANSWER_MAX = 16 << 20, PAD_MAX = 6000 };
enum state { HEAD, BODY_LENGTH, BODY_CHUNKED, ANSWER };
enum kind { CHAT, GENERATE, EVENTS };

struct settings { long n, ms, size, wait, pad, id; };

struct conn {
    int fd;
    enum state state;
    enum kind kind;
    int heap;               /* place in the heap of timed streams; 0: not in it */
    int broken;             /* the peer is gone: drop it */
    int closing;            /* the peer asked for Connection: close */
    int head_sent;
    long body_left;         /* of the request */
    long left, total;       /* chunks of the answer */
    struct settings set;
    char path[512];
    int is_post, is_whole;  /* is_whole: the body says "stream":false */
    long long due;          /* when the next chunk goes */
    char *in;
    int in_len;
    char *out;
    size_t out_len, out_off, out_cap;
};

static struct settings defaults = { 100, 50, 262144, 0, 0, 0 };
static struct conn *conns[FD_MAX];
static struct conn *heap[FD_MAX + 1];
static int heap_len, epoll_fd;
static long requests, active, finished, cancelled, connections;
static long long last_cancel;
static struct { long id; long long at; } cancels[ID_MAX];
static char *numbers;       /* what long answers are made of */

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* ---- a binary heap of the streams that wait for their time, soonest first ---- */

static void heap_set(int i, struct conn *c) {
    heap[i] = c;
    c->heap = i;
}

static void heap_fix(int i) {
    struct conn *c = heap[i];
    for (; i > 1 && heap[i / 2]->due > c->due; i /= 2) heap_set(i, heap[i / 2]);
    for (int k; (k = 2 * i) <= heap_len; i = k) {
        if (k < heap_len && heap[k + 1]->due < heap[k]->due) k++;
        if (heap[k]->due >= c->due) break;
        heap_set(i, heap[k]);
    }
    heap_set(i, c);
}

static void heap_add(struct conn *c) {
    heap_set(++heap_len, c);
    heap_fix(heap_len);
}

static void heap_remove(struct conn *c) {
    int i = c->heap;
    if (!i) return;
    c->heap = 0;
    struct conn *last = heap[heap_len--];
    if (last == c) return;
    heap_set(i, last);
    heap_fix(i);
}

/* ---- output ---- */

static void put(struct conn *c, const char *data, size_t n) {
    if (c->out_len + n > c->out_cap) {
        c->out_cap = (c->out_len + n) * 2 + 4096;
        if (!(c->out = realloc(c->out, c->out_cap))) abort();
    }
    memcpy(c->out + c->out_len, data, n);
    c->out_len += n;
}

static void put_format(struct conn *c, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put(c, text, n);
}

/* Send what there is; what the socket does not take stays.  Sets `broken` when the peer is gone. */
static void flush(struct conn *c) {
    while (c->out_off < c->out_len) {
        ssize_t k = send(c->fd, c->out + c->out_off, c->out_len - c->out_off, MSG_NOSIGNAL);
        if (k < 0) {
            if (errno != EAGAIN) c->broken = 1;
            return;
        }
        c->out_off += k;
    }
    c->out_off = c->out_len = 0;
    if (c->closing && c->state == HEAD) c->broken = 1;
}

static void note_cancel(struct conn *c) {
    cancelled++;
    active--;
    last_cancel = now_ns();
    if (c->set.id > 0) {
        cancels[c->set.id % ID_MAX].id = c->set.id;
        cancels[c->set.id % ID_MAX].at = last_cancel;
    }
}

static void drop(struct conn *c) {
    if (c->state == ANSWER) note_cancel(c);
    heap_remove(c);
    close(c->fd);
    conns[c->fd] = 0;
    connections--;
    free(c->in);
    free(c->out);
    free(c);
}

static void answer(struct conn *c, const char *body, size_t n) {
    put_format(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", n);
    put(c, body, n);
    c->state = HEAD;
}

static int token_text(struct conn *c, char *b) {
    int pad = c->set.pad > PAD_MAX ? PAD_MAX : (int)c->set.pad;
    long long t = now_ns();
    switch (c->kind) {
    case EVENTS:
        return sprintf(b, "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","
                       "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"@@%019lld%*s\"},"
                       "\"finish_reason\":null}]}\n\n", t, pad, "");
    case GENERATE:
        return sprintf(b, "{\"model\":\"m\",\"created_at\":\"2025-01-01T00:00:00.000000Z\","
                       "\"response\":\"@@%019lld%*s\",\"done\":false}\n", t, pad, "");
    default:
        return sprintf(b, "{\"model\":\"m\",\"created_at\":\"2025-01-01T00:00:00.000000Z\","
                       "\"message\":{\"role\":\"assistant\",\"content\":\"@@%019lld%*s\"},\"done\":false}\n", t, pad, "");
    }
}

static int final_text(struct conn *c, char *b) {
    if (c->kind == EVENTS)
        return sprintf(b, "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","
                       "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
    return sprintf(b, "{\"model\":\"m\",\"created_at\":\"2025-01-01T00:00:00.000000Z\",\"%s,"
                   "\"done\":true,\"done_reason\":\"stop\",\"total_duration\":5000000000,\"load_duration\":1000000,"
                   "\"prompt_eval_count\":26,\"prompt_eval_duration\":90000000,\"eval_count\":%ld,"
                   "\"eval_duration\":4000000000}\n",
                   c->kind == GENERATE ? "response\":\"\"" : "message\":{\"role\":\"assistant\",\"content\":\"\"}",
                   c->total);
}

/* Put the stream's next chunk, with the head before the first and the end after the last. */
static void put_chunk(struct conn *c) {
    char text[PAD_MAX + 1024];
    int n = --c->left ? token_text(c, text) : final_text(c, text);
    if (!c->head_sent)
        put_format(c, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n",
                   c->kind == EVENTS ? "text/event-stream" : "application/x-ndjson");
    c->head_sent = 1;
    put_format(c, "%x\r\n", n);
    put(c, text, n);
    put(c, "\r\n", 2);
    if (c->left) return;
    put(c, "0\r\n\r\n", 5);
    c->state = HEAD;
    active--;
    finished++;
    heap_remove(c);
}

/* A stream with ms=0: as fast as the peer reads. */
static void pump(struct conn *c) {
    flush(c);
    while (!c->broken && !c->out_len && c->state == ANSWER) {
        for (int i = 0; i < 64 && c->left; i++) put_chunk(c);
        flush(c);
    }
}

/* ---- answering ---- */

/* The number behind `key` ("n=") in a query string. */
static long number(const char *query, const char *key, long otherwise) {
    for (size_t n = strlen(key); query && (query = strstr(query, key)); query += n)
        if (query[-1] == '?' || query[-1] == '&') return atol(query + n);
    return otherwise;
}

static struct settings read_settings(const char *query, struct settings otherwise) {
    struct settings s = {
        .n = number(query, "n=", otherwise.n),          .ms = number(query, "ms=", otherwise.ms),
        .size = number(query, "size=", otherwise.size), .wait = number(query, "wait=", otherwise.wait),
        .pad = number(query, "pad=", otherwise.pad),    .id = number(query, "id=", otherwise.id),
    };
    if (s.n < 1) s.n = 1;
    if (s.size > ANSWER_MAX) s.size = ANSWER_MAX;
    return s;
}

static void answer_numbers(struct conn *c) {
    static const char before[] = "{\"model\":\"m\",\"done\":true,\"embeddings\":[[", after[] = "]]}";
    long least = sizeof before + sizeof after - 2;
    long n = c->set.size < least ? least : c->set.size;
    put_format(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %ld\r\n\r\n", n);
    put(c, before, sizeof before - 1);
    put(c, numbers, n - least);
    put(c, after, sizeof after - 1);
    c->state = HEAD;
}

static void answer_stream(struct conn *c, const char *path) {
    c->kind = strstr(path, "completions") ? EVENTS : strstr(path, "generate") ? GENERATE : CHAT;
    c->state = ANSWER;
    c->total = c->left = c->set.n;
    c->head_sent = 0;
    c->due = now_ns() + c->set.wait * 1000000LL;
    active++;
    if (c->set.wait) {
        heap_add(c);
    } else if (c->set.ms) {
        put_chunk(c);
        c->due += c->set.ms * 1000000LL;
        if (c->left) heap_add(c);
    } else {
        pump(c);
    }
}

static void answer_counts(struct conn *c) {
    char text[256];
    int n = snprintf(text, sizeof text, "{\"requests\":%ld,\"active\":%ld,\"finished\":%ld,\"cancelled\":%ld,"
                     "\"connections\":%ld,\"last_cancel_ns\":%lld}\n",
                     requests, active, finished, cancelled, connections, last_cancel);
    answer(c, text, n);
}

static void answer_cancelled(struct conn *c) {
    char text[96];
    long id = c->set.id > 0 ? c->set.id : 0;
    long long at = id && cancels[id % ID_MAX].id == id ? cancels[id % ID_MAX].at : 0;
    answer(c, text, snprintf(text, sizeof text, "{\"id\":%ld,\"ns\":%lld}\n", id, at));
}

static const char *small_answer(const char *path) {
    if (strstr(path, "/tags"))
        return "{\"models\":[{\"name\":\"m:latest\",\"model\":\"m:latest\",\"size\":1000,\"digest\":\"d\","
               "\"modified_at\":\"2025-01-01T00:00:00Z\",\"details\":{\"family\":\"f\"}}]}";
    if (strstr(path, "/ps"))
        return "{\"models\":[{\"name\":\"m:latest\",\"model\":\"m:latest\",\"size\":1000,\"digest\":\"d\","
               "\"expires_at\":\"2035-01-01T00:00:00Z\",\"size_vram\":1000}]}";
    if (strstr(path, "/v1/models")) return "{\"object\":\"list\",\"data\":[{\"id\":\"m\",\"object\":\"model\"}]}";
    return "{\"version\":\"0.12.0\"}";
}

static void respond(struct conn *c) {
    const char *path = c->path;
    c->set = read_settings(strchr(path, '?'), defaults);
    if (!strncmp(path, "/stats", 6)) return answer_counts(c);
    if (!strncmp(path, "/cancelled", 10)) return answer_cancelled(c);
    requests++;
    if (c->is_post && (c->is_whole || strstr(path, "embed")))
        answer_numbers(c);
    else if (c->is_post && (strstr(path, "/api/chat") || strstr(path, "/api/generate") || strstr(path, "completions")))
        answer_stream(c, path);
    else
        answer(c, small_answer(path), strlen(small_answer(path)));
}

/* ---- input ---- */

static void consume(struct conn *c, long n) {
    c->in_len -= n;
    memmove(c->in, c->in + n, c->in_len);
}

/* 1 when the head was read, 0 when there is not enough of it (or it is hopeless: then `broken`). */
static int read_head(struct conn *c) {
    char *head = c->in, *end = memmem(head, c->in_len, "\r\n\r\n", 4);
    if (!end) {
        if (c->in_len >= IN_MAX - 1) c->broken = 1;
        return 0;
    }
    *end = 0;
    if (sscanf(head, "%*s %511s", c->path) != 1) {
        c->broken = 1;
        return 0;
    }
    char *length = strcasestr(head, "\r\nContent-Length:");
    int chunked = strcasestr(head, "\r\nTransfer-Encoding: chunked") != 0;
    c->is_post = *head == 'P';
    c->is_whole = 0;
    c->closing = strcasestr(head, "\r\nConnection: close") || strstr(head, " HTTP/1.0\r\n");
    c->body_left = length && !chunked ? atol(length + 17) : 0;
    c->state = chunked ? BODY_CHUNKED : BODY_LENGTH;
    if (strcasestr(head, "\r\nExpect: 100-continue")) {
        put(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        flush(c);
    }
    consume(c, end + 4 - head);
    return 1;
}

static void skip_body(struct conn *c) {
    long k = c->in_len < c->body_left ? c->in_len : c->body_left;
    c->body_left -= k;
    consume(c, k);
}

/* 1 when the body is over.  body_left: what is left of a chunk and its CRLF; -1 after the last one. */
static int skip_chunks(struct conn *c) {
    while (c->body_left >= 0) {
        skip_body(c);
        char *line_end = c->body_left ? 0 : memmem(c->in, c->in_len, "\r\n", 2);
        if (!line_end) return 0;
        long size = strtol(c->in, 0, 16);
        consume(c, line_end + 2 - c->in);
        c->body_left = size ? size + 2 : -1;
    }
    if (c->in_len < 2) return 0;
    consume(c, 2);
    return 1;
}

static void input(struct conn *c) {
    while (!c->broken && c->state != ANSWER) {      /* what came early waits for the answer to end */
        if (c->state == HEAD && !read_head(c)) return;
        if (c->is_post && !c->is_whole && c->in_len)
            c->is_whole = memmem(c->in, c->in_len, "\"stream\":false", 14)
                       || memmem(c->in, c->in_len, "\"stream\": false", 15);
        if (c->state == BODY_CHUNKED) {
            if (!skip_chunks(c)) return;
        } else {
            skip_body(c);
            if (c->body_left) return;
        }
        respond(c);
    }
}

/* Read once; 1 when there may be more. */
static int readable(struct conn *c) {
    if (c->in_len >= IN_MAX - 1) return 0;
    ssize_t k = recv(c->fd, c->in + c->in_len, IN_MAX - 1 - c->in_len, 0);
    if (k > 0) {
        c->in_len += k;
        input(c);
        if (!c->broken) flush(c);
        return !c->broken;
    }
    if (k == 0 || errno != EAGAIN) c->broken = 1;
    return 0;
}

/* ---- the loop ---- */

static void accept_all(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0) {
        struct conn *c = fd < FD_MAX ? calloc(1, sizeof *c) : 0;
        if (!c) {
            close(fd);
            continue;
        }
        c->fd = fd;
        if (!(c->in = malloc(IN_MAX))) abort();
        conns[fd] = c;
        connections++;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd };
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev);
    }
}

static void handle(struct conn *c, unsigned events) {
    if (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) c->broken = 1;
    else if (events & EPOLLIN) while (readable(c)) ;    /* edge-triggered: to EAGAIN */
    if (!c->broken) {
        if (c->state == ANSWER && !c->set.ms && !c->heap) pump(c);
        else flush(c);
    }
    if (!c->broken && c->state == HEAD && c->in_len) {  /* a pipelined request whose turn has come */
        input(c);
        while (!c->broken && readable(c)) ;
        if (!c->broken) flush(c);
    }
    if (c->broken) drop(c);
}

static void send_due(void) {
    for (long long t = now_ns(); heap_len && heap[1]->due <= t; ) {
        struct conn *c = heap[1];
        if (c->set.ms) {
            c->due += c->set.ms * 1000000LL;
            put_chunk(c);
            if (c->heap) heap_fix(c->heap);
            flush(c);
        } else {
            heap_remove(c);
            pump(c);
        }
        if (c->broken) drop(c);
        else if (c->state == HEAD && c->in_len) handle(c, 0);
    }
}

static int listen_on(int port) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (void *)&a, sizeof a) || listen(fd, 4096)) {
        perror("node: cannot listen");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        fprintf(stderr, "usage: node PORT [n=100] [ms=50] [size=262144] [wait=0] [pad=0]\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        char setting[64];
        snprintf(setting, sizeof setting, "?%s", argv[i]);
        defaults = read_settings(setting, defaults);
    }
    if (!(numbers = malloc(ANSWER_MAX))) abort();
    for (int i = 0; i < ANSWER_MAX; i++) numbers[i] = "0.1234567,"[i % 10];
    int listener = listen_on(atoi(argv[1]));
    epoll_fd = epoll_create1(0);
    struct epoll_event ev = { .events = EPOLLIN, .data.fd = listener }, events[512];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &ev);
    for (;;) {
        long long wait = heap_len ? heap[1]->due - now_ns() : 1000000000LL;
        if (wait < 0) wait = 0;
        struct timespec timeout = { wait / 1000000000, wait % 1000000000 };
        int n = epoll_pwait2(epoll_fd, events, 512, &timeout, 0);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) accept_all(listener);
            else if (conns[fd]) handle(conns[fd], events[i].events);
        }
        send_due();
    }
}
