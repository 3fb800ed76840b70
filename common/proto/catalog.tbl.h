/*
 * What stands in a section of a catalog: KEY(kind, key, type, need, "what it is").
 *   [image NAME], [kernel NAME]: NAME is [a-z0-9][a-z0-9._+-]*, at most 40 bytes
 * Types: reference (registry/path[:tag], without a digest), url (https, without name, password or
 * fragment), digest (sha256:… or sha512:…), bytes (1 to 2^30), text (one line), boolean (yes or
 * no). need: required or optional. The manual's reference follows from here.
 */
#ifndef KEY
#define KEY(kind, key, type, need, doc)
#endif

KEY(image, reference, reference, required, "where it is: REGISTRY/PATH or REGISTRY/PATH:TAG")
KEY(image, digest, digest, required, "of its manifest or index: nothing else is taken")
KEY(image, description, text, optional, "what it is, for people")

KEY(kernel, url, url, required, "where the file is: a .deb, a bzImage, or an ELF vmlinux")
KEY(kernel, digest, digest, required, "of the file: nothing else is taken")
KEY(kernel, size, bytes, required, "of the file, exactly, in bytes: no more is read")
KEY(kernel, description, text, optional, "what it is, for people")
KEY(kernel, preferred, boolean, optional,
	"yes: for VMs that name no kernel, on a host that has none yet")

#undef KEY
