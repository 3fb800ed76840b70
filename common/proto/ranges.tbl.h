/*
 * Bounded integers that cross a process border: RANGED(type, c_type, min, max).
 * A frame with a value outside does not decode.
 */
#ifndef RANGED
#define RANGED(type, ctype, min, max)
#endif

RANGED(vcpus, u8, 1, 32)
RANGED(mib, u32, 64, 1048576)
/* The last octet of a guest's address: 0, 1 (the bridge) and 255 are not guests'. */
RANGED(host_octet, u8, 2, 254)
/* Which /24 of the pool (netd knows how many the pool has). */
RANGED(subnet, u16, 0, 65535)
RANGED(signo, u8, 1, 64)
/* A leased virtio-serial port; 0 is bangerd's own. */
RANGED(lease_port, u8, 1, 31)
RANGED(prefix, u8, 8, 30)
RANGED(uid, u32, 0, 4294967294)

#undef RANGED
