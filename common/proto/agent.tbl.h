/*
 * The guest agent, over byte streams: each frame is the codec's, with its length in front. The same
 * form as netd.tbl.h; `control` messages are requests on port 0, `session` ones travel on a leased
 * port, where `notice` ones have no answer. On a machine with a vsock device there are no ports:
 * port 0 is a connection to AGENT_VSOCK_CONTROL, a leased port one to AGENT_VSOCK_SESSION, and there
 * is neither lease nor nonce (common/agent_ports.h).
 *
 * A lease: bangerd asks by `lease` on port 0 for a port. The agent opens it anew (the kernel drops
 * what it held) and answers, `busy` when a client is connected to its socket: an earlier session's.
 * Then bangerd connects, each end writes the 16-byte nonce, drops what comes up to the nonce (at
 * most 64 KiB that an earlier session left), and both speak frames (common/stream.h).
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

/* ---- port 0 ---- */

/* Who is there. The first request after each connect; any number of times. */
MSG(hello, control)
OUT(u32, version)
OUT(boolean, ready)
OUT(text, boot_id)
OUT(text, kernel)
OUT(u8, ports)
END(hello)

/* Everything the guest is told, once, before its disk is touched. Answered when the root is
 * mounted, the network is up and the workload is started: the guest is ready. */
MSG(setup, control)
IN(vm_name, hostname)
IN(mac, mac)
IN(ipv4, address)
IN(prefix, prefix)
IN(ipv4, gateway)
IN(ipv4, dns1)
IN(ipv4, dns2)
IN(u64, clock_ns)
/* Random bytes, 32 of them, for the kernel's generator: a guest has no noise of its own so early. */
IN(bytes, seed)
IN(guest_mode, mode)
IN(strv, argv)
IN(strv, environment)
IN(text, user)
IN(text, directory)
IN(text, stop_signal)
/* The machine has a work disk: it is mounted on the home of `user` before anything runs. */
IN(boolean, work)
OUT(text, boot_id)
OUT(u64, boot_us)
OUT(main_state, main)
END(setup)

MSG(lease, control)
IN(bytes, nonce)
IN(lease_port, port)
END(lease)

MSG(health, control)
OUT(u64, uptime_ms)
OUT(main_state, main)
OUT(u32, main_status)
OUT(u32, sessions)
OUT(u64, memory_total)
OUT(u64, memory_available)
OUT(u64, disk_total)
OUT(u64, disk_free)
END(health)

/* sync(2), then stop the workload (its stop signal, then SIGKILL), unmount, power off. Answered
 * when it begins. */
MSG(shutdown, control)
IN(boolean, reboot)
IN(u32, timeout_ms)
END(shutdown)

MSG(sync, control)
END(sync)

/* ---- leased ports ---- */

/* argv empty: the user's login shell. user "": the image's, else root. directory "": the image's,
 * else the user's home. The environment is added to the guest's own. */
MSG(exec, session)
IN(strv, argv)
IN(strv, environment)
IN(text, user)
IN(text, directory)
IN(boolean, tty)
IN(u16, rows)
IN(u16, columns)
OUT(u32, pid)
END(exec)

/* Host → guest. No more than 256 KiB of stdin beyond what `stdin_credit` acknowledged. */
MSG(stdin_data, notice)
IN(bytes, data)
END(stdin_data)

MSG(stdin_eof, notice)
END(stdin_eof)

MSG(resize, notice)
IN(u16, rows)
IN(u16, columns)
END(resize)

MSG(signal, notice)
IN(signo, signo)
END(signal)

/* Guest → host. */
MSG(stdin_credit, notice)
IN(u32, consumed)
END(stdin_credit)

MSG(stdout_data, notice)
IN(bytes, data)
END(stdout_data)

MSG(stderr_data, notice)
IN(bytes, data)
END(stderr_data)

/* The last frame of a session, after all output. status: exit status, signal number, or for
 * not_started the errno of what failed (ENOENT: no such command, EACCES or ENOEXEC: not executable). */
MSG(exited, notice)
IN(exit_kind, kind)
IN(u32, status)
END(exited)

/* ---- port 0, added since: a message's place is its number, and guests outlive the daemon ---- */

/* What time it is, after the guest stood still: its clock goes on to there, never back. */
MSG(clock, control)
IN(u64, clock_ns)
END(clock)

#undef MSG
#undef IN
#undef OUT
#undef END
