/*
 * bangerd → banger-imaged (a job server: one of workers, one of fetchers). The same form as
 * netd.tbl.h.
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
 * `brief` one takes no longer than a moment: it does not wait for those that take minutes. Of the
 * others half are for one `owner`: a source may stand still as long as he likes. */
MSG(job_start, any)
IN(fd, socket)
IN(boolean, brief)
IN(uid, owner)
OUT(u32, pid)
END(job_start)

/* Fork a fresh banger-imaged-fetch that serves `fetch` messages (fetch.tbl.h) on the socket until it
 * closes, with the blob cache of `owner`, which is made when it is missing. Of the fetchers' server
 * alone, which has no workers. */
MSG(fetch_start, any)
IN(fd, socket)
IN(uid, owner)
OUT(u32, pid)
END(fetch_start)

#undef MSG
#undef IN
#undef OUT
#undef END
