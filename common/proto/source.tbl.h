/*
 * An imaged worker → the CLI, for a directory that the user named. The CLI opens, with the user's
 * rights, beneath that directory and through no symlink. The same form as netd.tbl.h.
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

/* A regular file, read-only, by its path inside the directory ("blobs/sha256/…"). */
MSG(file_open, any)
IN(text, path)
OUT(fd, file)
OUT(u64, size)
END(file_open)

#undef MSG
#undef IN
#undef OUT
#undef END
