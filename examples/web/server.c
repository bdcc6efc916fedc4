// Answers every request on port 8080.
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] =
	"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\nConnection: close\r\n\r\nhello from C";

int main(void) {
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(8080)};
	int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	signal(SIGPIPE, SIG_IGN);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16)) {
		perror("listen");
		return 1;
	}
	for (;;) {
		char request[4096];
		int client = accept(listener, NULL, NULL);
		if (client < 0) continue;
		if (read(client, request, sizeof request) > 0) write(client, answer, strlen(answer));
		close(client);
	}
}
