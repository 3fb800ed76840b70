/*
 * bangerd → banger-imaged (the job server). The same form as netd.tbl.h.
 */
#ifndef MSG
#define MSG(name, state)
#endif
#ifndef IN
#define IN(type, field)
#endif
#ifndef OUT
#define OUT(type, field)
#endif
#ifndef END
#define END(name)
#endif

/* Fork a fresh worker that serves `job` messages (job.tbl.h) on the socket until it closes. A
 * `brief` one takes no longer than a moment: it does not wait for those that take minutes. */
MSG(job_start, any)
IN(fd, socket)
IN(boolean, brief)
OUT(u32, pid)
END(job_start)

#undef MSG
#undef IN
#undef OUT
#undef END
