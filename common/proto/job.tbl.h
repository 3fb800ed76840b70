/*
 * bangerd → one worker of banger-imaged, on the job's own socket. The same form as netd.tbl.h.
 * A worker takes one request, sends `progress` notices while it works, replies, and ends. It ends
 * at once when its socket closes: that is how a job is cancelled.
 *
 * `source` is what the CLI opened with its user's rights: a regular file, a pipe, or a SEQPACKET
 * socket on which the CLI answers `source` messages (source.tbl.h) for a directory.
 * `target`, `spool`… are empty regular files of bangerd's, open for reading and writing.
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

/* A notice from the worker: `done` of `total` (0: not known) bytes or entries of the stage. */
MSG(progress, notice)
IN(job_stage, stage)
IN(u64, done)
IN(u64, total)
END(progress)

/* `reference` and `digest` choose among several images of an input (text ""/ zero: no choice).
 * The image's configuration comes back as the image has it: the guest's business, not proven.
 * `config` is its digest, `layers` two strings for each layer, oldest first: its digest (of what is
 * in it, where an archive names none) and its size as it is stored. A rootfs has neither. */
MSG(image_import, any)
IN(image_kind, kind)
IN(text, reference)
IN(boolean, verify_diff_ids)
IN(fd, source)
IN(fd, target)
IN(fd, spool)
OUT(digest, id)
OUT(u64, size)
OUT(u64, entries)
OUT(text, reference)
OUT(strv, entrypoint)
OUT(strv, command)
OUT(strv, environment)
OUT(text, user)
OUT(text, directory)
OUT(text, stop_signal)
OUT(strv, exposed_ports)
OUT(text, config)
OUT(strv, layers)
END(image_import)

/* An ext4 file system in a file of a user's, which is to be an image where it is: read once, for its
 * digest. */
MSG(image_register, any)
IN(fd, source)
OUT(digest, id)
OUT(u64, size)
END(image_register)

/* `kernel`: a .deb, a bzImage or an ELF vmlinux. `modules`: a source socket for the directory
 * /lib/modules/VERSION, absent for a .deb (which brings its own) and for kernels with all built
 * in. `init` and `agent` are the guest programs; vmlinux and initramfs are written.
 * `digest`: the one that `kernel` must have; then it is copied to `spool` first, and what is proven
 * there is what is read. Text "" and no spool: a kernel of the user's own. */
MSG(kernel_import, any)
IN(fd, kernel)
IN(text, digest)
IN(fd_opt, spool)
IN(fd_opt, modules)
IN(fd, init)
IN(fd, agent)
IN(fd, vmlinux)
IN(fd, initramfs)
OUT(text, version)
OUT(text, arch)
OUT(u64, size)
OUT(u32, n_modules)
END(kernel_import)

/* Put this build's guest programs into an initramfs made by another build. */
MSG(initramfs_refresh, any)
IN(fd, old)
IN(fd, init)
IN(fd, agent)
IN(fd, initramfs)
OUT(u64, size)
END(initramfs_refresh)

/* An ext4 file system with nothing in it, for a VM's work disk: `target` is `size` bytes long and
 * all zeros; of a large one the file system takes the beginning, and grows in the guest. */
MSG(work_disk_make, any)
IN(u64, size)
IN(fd, target)
END(work_disk_make)

#undef MSG
#undef IN
#undef OUT
#undef END
