/*
 * bangerd → one banger-imaged-fetch, on the job's own socket. The same form as netd.tbl.h.
 * A job is: `endpoint` once or more, `resolve`, and, if its image is wanted, `serve`; or `endpoint`
 * once and `file_fetch`; or one of the cache's messages alone. Notices come only while `resolve`,
 * `serve` and `file_fetch` are at work. The program
 * ends at once when its socket closes: that is how a job is cancelled. What of a blob has come by
 * then stays in the cache, and the next job goes on from there.
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

/* A blob that is being fetched: `done` of `total` bytes; both are equal when it is whole and
 * verified. A blob that was in the cache is told once, as whole. */
MSG(progress, notice)
IN(digest, blob)
IN(u64, done)
IN(u64, total)
END(progress)

/* Something that went wrong and was got over: a mirror that failed, a download begun again. */
MSG(note, notice)
IN(text, text)
END(note)

/* Where to ask, in the order in which they are tried: mirrors, and last the registry itself; at most
 * 8. `host` is host[:port] as in a reference; `prefix` is what stands before the repository's path
 * there ("": nothing). `plain_http`: http, which loopback addresses may be asked by anyhow (https is
 * tried first there). `insecure`: the certificate is not looked at. `ca`: PEM, trusted for this
 * registry in the place of the host's own (empty: those), at most 64 KiB.
 * `username` with `secret` (a password), or `identity_token` (an OAuth2 refresh token), or none;
 * a secret and a token have at most 16 KiB each; they are for this endpoint alone. */
MSG(endpoint, any)
IN(text, host)
IN(text, prefix)
IN(boolean, plain_http)
IN(boolean, insecure)
IN(bytes, ca)
IN(text, username)
IN(bytes, secret)
IN(bytes, identity_token)
END(endpoint)

/* Which image a reference (reference.h; with its defaults or without) means. `platform`: "" for the
 * host's, or linux/ARCH[/VARIANT]. A transfer that brings nearly nothing for `stall_s` seconds is
 * begun again (0: 30); `parallel` blobs are fetched at a time (0: 4).
 * `digest` is of the one manifest that was chosen, as an image's id is; `top` is of what the
 * reference itself names, which is an index or the same manifest. `cached`: what `top` names was
 * in the cache, and, if the reference has a digest, nobody was asked. */
MSG(resolve, any)
IN(text, reference)
IN(text, platform)
IN(u16, stall_s)
IN(u16, parallel)
OUT(digest, digest)
OUT(digest, top)
OUT(u64, size)
OUT(text, media_type)
OUT(boolean, cached)
END(resolve)

/* Fetch what was resolved, all that it names, into the cache, and answer `file_open` (source.tbl.h)
 * on `source` meanwhile, as for the directory of an OCI layout with this one image: an open of a
 * blob that is not whole yet waits for it. Done when `source` is closed at its other end, or the
 * image cannot be had. */
MSG(serve, any)
IN(fd, source)
OUT(u64, fetched)
OUT(u64, reused)
END(serve)

/* One file by its https URL, whose host is the endpoint's: no authorization is shown. Its size and
 * digest are known, and nothing else is taken, or more of it read. `stall_s` as of `resolve`. `file`
 * is the one in the cache, read-only, which is its owner's and not beyond change: whoever believes it
 * proves it again. `fetched`: bytes that came for it just now. */
MSG(file_fetch, any)
IN(text, url)
IN(digest, digest)
IN(u64, size)
IN(u16, stall_s)
OUT(fd, file)
OUT(u64, fetched)
END(file_fetch)

/* Empty the cache, save of what another job uses; or say what that would free: whole blobs and parts
 * of such. Nothing is asked of a registry. */
MSG(cache_prune, any)
IN(boolean, dry_run)
OUT(u64, bytes)
OUT(u64, blobs)
END(cache_prune)

#undef MSG
#undef IN
#undef OUT
#undef END
