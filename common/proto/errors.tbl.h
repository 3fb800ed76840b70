/*
 * Every error code of banger, once: ERR(name, rpc, text).
 * `name` is what crosses IPC (as its position) and JSON (as a string); `rpc` is the JSON-RPC 2.0
 * error number; `text` is what the code says when a message has nothing better.
 * New codes go to the end: the position is the wire value.
 */
#ifndef ERR
#define ERR(name, rpc, text)
#endif

ERR(none, 0, "no error")
ERR(not_found, -32001, "no such object")
ERR(already_exists, -32002, "exists already")
ERR(not_running, -32003, "the VM is not running")
ERR(bad_request, -32602, "the request is not valid")
ERR(bad_version, -32004, "the protocol version is not supported")
ERR(unauthorized, -32005, "not allowed")
ERR(unknown_method, -32601, "no such method")
ERR(quota_exceeded, -32006, "a limit is reached")
ERR(busy, -32007, "in use")
ERR(cancelled, -32008, "cancelled")
ERR(unavailable, -32009, "not available")
ERR(operation_failed, -32000, "the operation failed")
/* The text received is no JSON (JSON-RPC 2.0, section 5.1). */
ERR(parse_error, -32700, "not valid JSON")
/* A peer broke the protocol between banger's own processes: the channel is closed. */
ERR(protocol, -32010, "a banger process broke the protocol")
/* Input that names or contains what its specification forbids (images, kernels). */
ERR(bad_input, -32011, "the input is not valid")
ERR(no_space, -32012, "no space left")
ERR(timeout, -32013, "timed out")
/* What a guest was told to run: not there, or there and not to be executed. The CLI's exit status
 * is 127 or 126, as a shell's would be. */
ERR(no_command, -32014, "there is no such command")
ERR(not_executable, -32015, "the command cannot be executed")

#undef ERR
