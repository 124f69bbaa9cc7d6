/* The benchmark's sink: an HTTP/1.1 server that answers 200 to everything and notes when it came.
 *
 *     sink PORT LOG
 *
 * For each request LOG gets 16 bytes: the number after the first "bench-" in the body (or -1), and the
 * nanoseconds of CLOCK_MONOTONIC at which the request was whole. One thread, epoll, keep-alive.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, LARGEST = 1 << 20, NOTES = 4096 };

struct client {
	int socket;
	size_t held;
	char *bytes;
	size_t room;
};
struct note {
	int64_t number, at;
};

static const char ANSWER[] =
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}";
static struct note notes[NOTES];
static size_t noted;
static int log_file;

static void fail(const char *what) {
	perror(what);
	exit(1);
}

static void flush_notes(void) {
	if (noted && write(log_file, notes, noted * sizeof *notes) < 0)
		fail("write");
	noted = 0;
}

static void take_note(const char *body, size_t length) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	const char *mark = memmem(body, length, "bench-", 6);
	int64_t number = mark ? 0 : -1;
	for (const char *digit = mark ? mark + 6 : body + length; digit < body + length; digit++) {
		if (*digit < '0' || *digit > '9')
			break;
		number = number * 10 + (*digit - '0');
	}
	if (noted == NOTES)
		flush_notes();
	notes[noted++] = (struct note){number, now.tv_sec * 1000000000LL + now.tv_nsec};
}

/* The size of the first request in the buffer, 0 when it is not whole yet. */
static size_t whole_request(struct client *c, size_t *body_at) {
	char *end = memmem(c->bytes, c->held, "\r\n\r\n", 4);
	if (!end)
		return 0;
	*end = 0;
	char *field = strcasestr(c->bytes, "\r\ncontent-length:");
	size_t length = field ? strtoul(field + 17, NULL, 10) : 0;
	*end = '\r';
	*body_at = end - c->bytes + 4;
	return *body_at + length <= c->held ? *body_at + length : 0;
}

static void forget(struct client *c) {
	close(c->socket);
	free(c->bytes);
	free(c);
}

static void serve(struct client *c) {
	if (c->held + 1 >= c->room) {
		c->room = c->room ? c->room * 2 : 16384;
		if (c->room > LARGEST || !(c->bytes = realloc(c->bytes, c->room)))
			fail("a request is too large");
	}
	ssize_t got = read(c->socket, c->bytes + c->held, c->room - c->held - 1);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		forget(c);
		return;
	}
	c->held += got;
	c->bytes[c->held] = 0;
	size_t body_at, size;
	while ((size = whole_request(c, &body_at))) {
		take_note(c->bytes + body_at, size - body_at);
		if (send(c->socket, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL) < 0) {
			forget(c);
			return;
		}
		memmove(c->bytes, c->bytes + size, c->held - size + 1);
		c->held -= size;
	}
}

static void accept_client(int listener, int epoll) {
	int yes = 1, socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	if (socket < 0)
		return;
	setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	struct client *c = calloc(1, sizeof *c);
	if (!c)
		fail("calloc");
	c->socket = socket;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event))
		fail("epoll_ctl");
}

int main(int count, char **words) {
	if (count != 3)
		return 2;
	int yes = 1, listener = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	log_file = open(words[2], O_WRONLY | O_CREAT | O_APPEND, 0600);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (log_file < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024))
		fail("start");
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, ready[EVENTS];
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event))
		fail("epoll_ctl");
	for (;;) {
		int found = epoll_wait(epoll, ready, EVENTS, -1);
		for (int i = 0; i < found; i++) {
			if (ready[i].data.ptr)
				serve(ready[i].data.ptr);
			else
				accept_client(listener, epoll);
		}
		flush_notes();
	}
}
