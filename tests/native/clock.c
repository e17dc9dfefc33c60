/* Another wall clock and other names for one process, loaded before libc (LD_PRELOAD).
 *
 * TEST_CLOCK is a file of eight bytes: seconds that the wall clock is ahead, which may change while the
 * process runs. Waits for a time of the wall clock end when that clock says so, as with a clock that was
 * set: after a step back they last longer.
 *
 * TEST_NAMES is a file of lines "NAME ADDRESS": what it has of names that end with ".test"; others of
 * those do not exist. It is read at each look-up. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
/* Between looks whether the clock was set. */
#define LOOK_NS 50000000L

static const volatile int64_t *ahead;

__attribute__((constructor)) static void load(void) {
    const char *path = getenv("TEST_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *page = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED)
        ahead = page;
}

static int64_t ahead_s(void) { return ahead ? *ahead : 0; }

int clock_gettime(clockid_t id, struct timespec *now) {
    static __typeof__(&clock_gettime) next;
    if (!next)
        next = NEXT(clock_gettime);
    int result = next(id, now);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
        now->tv_sec += ahead_s();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec precise;
    int result = clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return result;
}

int timespec_get(struct timespec *now, int base) {
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, now) == 0 ? base : 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

/* What is looked up for "pthread_cond_timedwait" without a version is the one of another layout. */
static __typeof__(&pthread_cond_timedwait) next_wait(void) {
    static __typeof__(&pthread_cond_timedwait) next;
    if (!next)
        next = (__typeof__(next))dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!next)
        next = NEXT(pthread_cond_timedwait);
    return next;
}

static int is_before(struct timespec a, struct timespec b) {
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
    for (;;) {
        struct timespec now, look, end = *until;
        clock_gettime(CLOCK_REALTIME, &now);
        now.tv_sec -= ahead_s();
        end.tv_sec -= ahead_s();
        look = now;
        look.tv_nsec += LOOK_NS;
        if (look.tv_nsec >= 1000000000L) {
            look.tv_nsec -= 1000000000L;
            look.tv_sec += 1;
        }
        int is_last = is_before(end, look);
        int result = next_wait()(cond, mutex, is_last ? &end : &look);
        if (result != ETIMEDOUT || is_last)
            return result;
    }
}

/* glibc's own, which librdkafka calls, waits without asking for the function above. */
int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex, const struct timespec *restrict until) {
    int result = pthread_cond_timedwait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex, until);
    return result == 0 ? thrd_success : result == ETIMEDOUT ? thrd_timedout : thrd_error;
}

int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict found) {
    static __typeof__(&getaddrinfo) next;
    if (!next)
        next = NEXT(getaddrinfo);
    const char *path = getenv("TEST_NAMES");
    const char *end = node ? strrchr(node, '.') : NULL;
    if (!path || !end || strcmp(end, ".test") != 0)
        return next(node, service, hints, found);
    FILE *names = fopen(path, "re");
    char name[256], address[64];
    int result = EAI_NONAME;
    while (names && result == EAI_NONAME && fscanf(names, "%255s %63s", name, address) == 2)
        if (strcmp(name, node) == 0)
            result = next(address, service, hints, found);
    if (names)
        fclose(names);
    return result;
}
