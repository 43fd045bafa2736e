// launch: runs one program and writes down what it cost.
//
//	launch CPUS REPORT PROGRAM ARGUMENT...
//
// The program runs on the first CPUS processors that this one may use. REPORT becomes one line of
// JSON: times, and the largest resident set among the program and all it has waited for. (A large
// program that forks would pass its own size on as its child's; this one is small.)

#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void stop(const char *what)
{
	perror(what);
	exit(125);
}

static void restrict_to(int count)
{
	cpu_set_t allowed, some;
	CPU_ZERO(&some);
	if (sched_getaffinity(0, sizeof allowed, &allowed))
		stop("sched_getaffinity");
	for (int cpu = 0; cpu < CPU_SETSIZE && count; cpu++)
		if (CPU_ISSET(cpu, &allowed))
			CPU_SET(cpu, &some), count--;
	if (sched_setaffinity(0, sizeof some, &some))
		stop("sched_setaffinity");
}

static double seconds(struct timeval time)
{
	return time.tv_sec + time.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	if (argc < 4 || atoi(argv[1]) < 1) {
		fputs("usage: launch CPUS REPORT PROGRAM ARGUMENT...\n", stderr);
		return 125;
	}
	restrict_to(atoi(argv[1]));
	FILE *report = fopen(argv[2], "we");
	if (!report)
		stop(argv[2]);
	struct timespec start, end;
	struct rusage used;
	int status;
	clock_gettime(CLOCK_MONOTONIC, &start);
	pid_t child = fork();
	if (child < 0)
		stop("fork");
	if (!child) {
		execvp(argv[3], argv + 3);
		perror(argv[3]);
		_exit(127);
	}
	if (wait4(child, &status, 0, &used) != child)
		stop("wait4");
	clock_gettime(CLOCK_MONOTONIC, &end);
	fprintf(report, "{\"wall_s\": %.6f, \"user_s\": %.6f, \"sys_s\": %.6f, \"peak_bytes\": %ld}\n",
		end.tv_sec - start.tv_sec + (end.tv_nsec - start.tv_nsec) / 1e9, seconds(used.ru_utime),
		seconds(used.ru_stime), used.ru_maxrss * 1024);
	if (fclose(report))
		stop(argv[2]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}
