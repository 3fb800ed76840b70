/*
 * Where a test build can be told to fail: POINT(process, name, text). Each is one place in that
 * process, FAILPOINT(name, err); `text` says what has been done by then, and what has not. The steps
 * of sagas (bangerd/saga.h) are points without a row here: OPERATION/STEP before, after and undo.
 */
#ifndef POINT
#define POINT(process, name, text)
#endif

/* ---- the image worker's job server, and a worker ---- */
POINT(imaged, job_begin, "a job is asked for, no worker is there")
POINT(imaged, job_started, "the worker runs, bangerd does not know it yet")

#undef POINT
