/*
 * streamload.c - many concurrent streams to one port of 127.0.0.1; measures their chunks, checks their ends.
 *
 *   cc -O2 -o streamload streamload.c
 *   ./streamload PORT PATH [c=100] [secs=10] [ramp=1] [body=1000] [streams=0] [close=0] [expect=0] [model=m]
 *
 * c connections, started evenly over `ramp` s; each POSTs a JSON body of `body` bytes to PATH, reads the
 * answer to its end and starts again, until `secs` are over or SIGTERM comes (streams still open then are
 * `cut` by us) or `streams` were begun.  close=1: a new connection for each stream.
 *
 * Latencies are from the "@@" time stamps that node.c puts into its chunks (same machine, same clock), so
 * they hold node + proxy + this program: subtract a run straight at the node.  The first `ramp` + 0.5 s are
 * not counted, except in all_chunks.
 *
 * Errors: not connected, reset, a status other than 200, an answer that ended before its framing said so,
 * or (expect=N) a stream with another number of stamped chunks than N.  The first few are told on stderr.
 * Prints one JSON object: chunk and ttfb latencies in us (p50 p99 p999 max), counts, chunks/s, MB/s.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ = 65536, STAMP = 21, HOLD = 4096, CONNS_MAX = 20000, ERRORS_MAX = 1000, TOLD_MAX = 5 };

struct conn {
    int fd;
    int busy;               /* a request is under way */
    int in_head;            /* its answer's head has not ended yet */
    int waits_first;        /* its first chunk has not come yet */
    int chunked;
    long length_left;       /* of an answer with a length, else -1 */
    long sent;              /* of our request */
    long ats;               /* '@' seen; two a chunk, however the chunks are cut */
    long long t0;
    char hold[HOLD];        /* what could not be read yet: part of a head or of a stamp */
    int held;
};

static struct conn conns[CONNS_MAX];
static int port, count = 100, close_each, epoll_fd;
static double secs = 10, ramp = 1;
static long body = 1000, max_streams, expect;
static const char *model = "m";
static long begun, done, errors, cut, chunks, all_ats, bytes;
static char *request;
static size_t request_len;
static long long start, from;
static volatile sig_atomic_t stopped;
static long long until;

/* ---- histograms: 64 slots each power of two, in tenths of a microsecond ---- */

struct hist { long n, slots[64 * 64]; long long max; };
static struct hist chunk_times, first_times;

static int slot(long long v) {
    if (v < 64) return v < 0 ? 0 : v;
    int e = 63 - __builtin_clzll(v);
    return (e - 5) * 64 + (int)((v >> (e - 6)) & 63);
}

static long long slot_value(int s) { return s < 64 ? s : ((64LL + (s & 63)) << (s / 64 - 1)); }

static void add(struct hist *h, long long ns) {
    long long v = ns / 100;
    h->n++;
    h->slots[slot(v)]++;
    if (v > h->max) h->max = v;
}

static double percentile(struct hist *h, double p) {
    long want = (long)(h->n * p), k = 0;
    for (int i = 0; i < 64 * 64; i++)
        if ((k += h->slots[i]) > want) return slot_value(i) / 10.0;
    return h->max / 10.0;
}

static void print_hist(const char *name, struct hist *h) {
    printf("\"%s\":{\"n\":%ld,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f},", name, h->n,
           percentile(h, .5), percentile(h, .99), percentile(h, .999), h->max / 10.0);
}

/* ---- one stream after the other on one connection ---- */

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int counted(long long t) { return t >= from && t <= until; }

static void begin(struct conn *c);

static void hang_up(struct conn *c) {
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    c->busy = 0;
}

/* Something went wrong with this stream: count it, say so, try another. */
static void fail(struct conn *c, const char *what, const char *detail) {
    long long t = now_ns();
    hang_up(c);
    if (t >= until) return;
    if (++errors <= TOLD_MAX) fprintf(stderr, "streamload: %s %.200s\n", what, detail);
    if (errors < ERRORS_MAX) begin(c);
}

static void send_request(struct conn *c) {
    while (c->sent < (long)request_len) {
        ssize_t k = send(c->fd, request + c->sent, request_len - c->sent, MSG_NOSIGNAL);
        if (k < 0) {
            if (errno != EAGAIN && errno != ENOTCONN) fail(c, "cannot send:", strerror(errno));
            return;
        }
        c->sent += k;
    }
}

static int dial(struct conn *c) {
    int one = 1;
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) return 0;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (void *)&a, sizeof a) && errno != EINPROGRESS) return 0;
    struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };
    return !epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev);
}

static void begin(struct conn *c) {
    if (max_streams && begun >= max_streams) {
        hang_up(c);
        return;
    }
    begun++;
    if (c->fd < 0 && !dial(c)) {
        fail(c, "cannot connect:", strerror(errno));
        return;
    }
    c->in_head = c->waits_first = c->busy = 1;
    c->chunked = 0;
    c->length_left = -1;
    c->sent = c->ats = c->held = 0;
    c->t0 = now_ns();
    send_request(c);
}

static void end(struct conn *c, long long t) {
    if (expect && c->ats != 2 * expect) {
        char numbers[64];
        snprintf(numbers, sizeof numbers, "%ld of %ld", c->ats / 2, expect);
        fail(c, "chunks:", numbers);
        return;
    }
    c->busy = 0;
    if (counted(t)) done++;
    if (close_each) hang_up(c);
    if (t < until) begin(c);
    else hang_up(c);
}

static void first(struct conn *c, long long t) {
    if (c->waits_first && counted(t)) add(&first_times, t - c->t0);
    c->waits_first = 0;
}

/* ---- reading ---- */

/* Where the body starts; 0: not yet, or (fd < 0, or another stream begun) it failed. */
static char *read_head(struct conn *c, char *p, char *e) {
    char *h = memmem(p, e - p, "\r\n\r\n", 4), *length;
    if (!h) {
        c->held = e - p;
        if (c->held <= HOLD) memcpy(c->hold, p, c->held);
        else fail(c, "head too long", "");
        return 0;
    }
    if (e - p < 12 || strncmp(p + 8, " 200", 4)) {
        fail(c, "refused:", p);
        return 0;
    }
    *h = 0;
    if ((length = strcasestr(p, "\r\nContent-Length:"))) c->length_left = atol(length + 17);
    c->chunked = strcasestr(p, "\r\nTransfer-Encoding: chunked") != 0;
    c->in_head = 0;
    return h + 4;
}

static int all_digits(const char *p) {
    for (int i = 0; i < STAMP - 2; i++)
        if (p[i] < '0' || p[i] > '9') return 0;
    return 1;
}

/* Account for the stamps in p..e; returns where the unread rest starts. */
static char *read_stamps(struct conn *c, char *p, char *e, long long t) {
    for (char *m = p; (m = memchr(m, '@', e - m)); ) {
        if (e - m < STAMP) return m;
        first(c, t);
        int pair = m[1] == '@';
        c->ats += 1 + pair;
        all_ats += 1 + pair;
        if (pair && all_digits(m + 2)) {        /* else a proxy cut it with its own framing */
            if (counted(t)) {
                chunks++;
                add(&chunk_times, t - atoll(m + 2));
            }
            m += STAMP;
        } else {
            m += 1 + pair;
        }
    }
    return e;
}

static void hold_back(struct conn *c, char *from_here, char *data, char *e) {
    char *keep = e - data > 6 ? e - 6 : data;       /* the end may be split, too */
    if (from_here < keep) keep = from_here;
    c->held = e - keep;
    memmove(c->hold, keep, c->held);
}

static void closed(struct conn *c, long long t, int reset) {
    if (!c->busy) {
        hang_up(c);
        if (t < until) begin(c);
    } else if (reset || c->in_head || c->chunked || c->length_left > 0) {
        fail(c, reset ? "reset" : "ended early", c->in_head ? "before the head" : "in the body");
    } else {
        hang_up(c);
        end(c, t);
    }
}

/* Read once; 1 when there may be more. */
static int input(struct conn *c) {
    static char buf[HOLD + READ + 1];
    memcpy(buf, c->hold, c->held);
    ssize_t k = recv(c->fd, buf + c->held, READ, 0);
    if (k < 0 && errno == EAGAIN) return 0;
    long long t = now_ns();
    if (k <= 0) {
        closed(c, t, k < 0);
        return 0;
    }
    if (counted(t)) bytes += k;
    char *p = buf, *e = buf + c->held + k;
    *e = 0;
    int old = c->held;                              /* of these, body bytes were counted before */
    if (c->in_head) {
        if (!(p = read_head(c, p, e))) return c->fd >= 0;
        if (c->length_left >= 0) first(c, t);
        old = 0;
    }
    char *rest = read_stamps(c, p, e, t);
    if (c->length_left >= 0) {
        c->length_left -= e - p - old;
        hold_back(c, rest, p, e);
        if (c->length_left <= 0) end(c, t);
    } else if (c->chunked && e - p >= 7 && !memcmp(e - 7, "\r\n0\r\n\r\n", 7)) {
        end(c, t);
    } else {
        hold_back(c, rest, p, e);
    }
    return c->fd >= 0;
}

/* ---- the loop ---- */

static void build_request(const char *path) {
    char before[256];
    int n = snprintf(before, sizeof before,
                     "{\"model\":\"%s\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"", model);
    if (body < n + 4) body = n + 4;
    if (!(request = malloc(body + 2048))) abort();
    request_len = snprintf(request, 2048,
                           "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: streamload\r\nAccept: */*\r\n"
                           "Authorization: Bearer sk-x\r\nContent-Type: application/json\r\n"
                           "Content-Length: %ld\r\n\r\n", path, port, body);
    memcpy(request + request_len, before, n);
    memset(request + request_len + n, 'x', body - n - 4);
    memcpy(request + request_len + body - 4, "\"}]}", 4);
    request_len += body;
}

static void read_arguments(int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        char *v = strchr(argv[i], '=');
        if (!v) continue;
        double x = atof(++v);
        if (!strncmp(argv[i], "c=", 2)) count = x;
        else if (!strncmp(argv[i], "secs=", 5)) secs = x;
        else if (!strncmp(argv[i], "ramp=", 5)) ramp = x;
        else if (!strncmp(argv[i], "body=", 5)) body = x;
        else if (!strncmp(argv[i], "streams=", 8)) max_streams = x;
        else if (!strncmp(argv[i], "close=", 6)) close_each = x;
        else if (!strncmp(argv[i], "expect=", 7)) expect = x;
        else if (!strncmp(argv[i], "model=", 6)) model = v;
        else {
            fprintf(stderr, "streamload: what is %s?\n", argv[i]);
            exit(2);
        }
    }
    if (count > CONNS_MAX) count = CONNS_MAX;
}

static void on_term(int signal_number) {
    (void)signal_number;
    stopped = 1;
}

static int any_busy(void) {
    for (int i = 0; i < count; i++)
        if (conns[i].busy) return 1;
    return 0;
}

static void run(void) {
    struct epoll_event events[512];
    for (int started = 0; ; ) {
        long long t = now_ns();
        if (stopped) until = t;
        if (t >= until) return;
        while (started < count && t - start >= (long long)(ramp * 1e9 * started / count)) begin(&conns[started++]);
        if (max_streams && begun >= max_streams && !any_busy()) return;
        int n = epoll_wait(epoll_fd, events, 512, started < count ? 1 : 20);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (c->fd >= 0 && c->busy && c->sent < (long)request_len && events[i].events & EPOLLOUT) send_request(c);
            if (c->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) while (input(c)) ;
        }
    }
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: streamload PORT PATH [c=] [secs=] [ramp=] [body=] [streams=] [close=] [expect=] [model=]\n");
        return 2;
    }
    port = atoi(argv[1]);
    read_arguments(argc - 3, argv + 3);
    build_request(argv[2]);
    signal(SIGTERM, on_term);
    epoll_fd = epoll_create1(0);
    for (int i = 0; i < count; i++) conns[i].fd = -1;
    start = now_ns();
    from = start + (long long)((ramp + 0.5) * 1e9);
    until = start + (long long)(secs * 1e9);
    run();
    long long t = now_ns();
    double window = ((t < until ? t : until) - from) / 1e9;
    if (window <= 0) window = 1e-9;
    for (int i = 0; i < count; i++) cut += conns[i].busy;
    printf("{");
    print_hist("chunk_us", &chunk_times);
    print_hist("ttfb_us", &first_times);
    printf("\"window_s\":%.3f,\"begun\":%ld,\"done\":%ld,\"errors\":%ld,\"cut\":%ld,\"chunks\":%ld,\"all_chunks\":%ld,"
           "\"chunks_s\":%.1f,\"streams_s\":%.1f,\"mb_s\":%.2f}\n",
           window, begun, done, errors, cut, chunks, all_ats / 2, chunks / window, done / window, bytes / window / 1e6);
    return 0;
}
