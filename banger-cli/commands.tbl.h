/*
 * Every command of banger, once: the parser, --help, usage errors, completion and the manual's
 * reference follow from here.
 *   GROUP(ident, "what it is about")                        `top` holds the commands without one
 *   SHARED(ident)                                           options that several commands have
 *   COMMAND(ident, group, "verb", "other names", "what it does")
 *     USE(shared, field)                                    field: a struct args_SHARED
 *     OPT(type, field, 'letter' or 0, "long-name", "METAVAR", "what it is")
 *     POS(type, field, arity, "METAVAR", "what it is")      arity: see below
 *     NOTE("a paragraph")
 *     EXAMPLE("command line")
 *   END(ident)
 * Types: see banger-cli/values.h. A field that was not given is NULL, 0, false or empty.
 * Arity: one; optional; many (at least one); any (none too); rest: what stands behind "--", or for
 * a command with an operand before it, from the first word behind that; command: the same, not empty.
 * An option of type `env` may be given many times; of the others the last one counts.
 */
#ifndef GROUP
#define GROUP(ident, doc)
#endif
#ifndef SHARED
#define SHARED(ident)
#endif
#ifndef COMMAND
#define COMMAND(ident, group, verb, aliases, doc)
#endif
#ifndef USE
#define USE(shared, field)
#endif
#ifndef OPT
#define OPT(type, field, letter, name, metavar, doc)
#endif
#ifndef POS
#define POS(type, field, arity, metavar, doc)
#endif
#ifndef NOTE
#define NOTE(text)
#endif
#ifndef EXAMPLE
#define EXAMPLE(line)
#endif
#ifndef END
#define END(ident)
#endif

GROUP(vm, "microVMs: run, create, stop, look into them")
GROUP(image, "images that VMs are made of")
GROUP(kernel, "kernels that VMs boot")
GROUP(daemon, "the daemon")
GROUP(top, "banger itself")

/* ---- options of several commands ---- */

SHARED(global)
OPT(path, socket, 0, "socket", "PATH", "the daemon's socket (default: $BANGER_SOCKET, else /run/banger/bangerd.sock)")
OPT(flag, help, 'h', "help", "", "show this help")
OPT(flag, version, 0, "version", "", "print the version")
END(global)

SHARED(output)
OPT(format, format, 'o', "output", "FORMAT", "table or json")
END(output)

SHARED(made)
OPT(format, format, 'o', "output", "FORMAT", "table (the id alone) or json (all about it)")
END(made)

SHARED(each)
OPT(format, format, 'o', "output", "FORMAT", "table (the names of those that it worked for) or json (an object for each)")
END(each)

SHARED(list)
OPT(format, format, 'o', "output", "FORMAT", "table or json")
OPT(flag, quiet, 'q', "quiet", "", "print ids only")
END(list)

SHARED(machine)
OPT(image_wanted, image, 0, "image", "REF", "image: id, name, or unique prefix of either; or REGISTRY/PATH:TAG, or a short name")
OPT(pull_policy, pull, 0, "pull", "WHEN", "ask the image's registry: missing (when it is not here, the default), always or never")
OPT(kernel_wanted, kernel, 0, "kernel", "REF", "kernel: id, name, or unique prefix of either; or a name of a catalog (default: the newest one that is here, else the one that a catalog prefers)")
OPT(vm_name, name, 0, "name", "NAME", "name of the VM; made up when absent")
OPT(vcpus, vcpus, 0, "vcpu", "N", "virtual CPUs (default: a quarter of the host's, at most 4)")
OPT(memory, memory, 'm', "memory", "SIZE", "memory (default: an eighth of the host's, at most 8G)")
OPT(size, disk_size, 0, "disk-size", "SIZE", "size of the work disk, which is the user's home and outlives a change of image (default: as configured)")
OPT(size, system_overlay_size, 0, "system-overlay-size", "SIZE", "size of the root disk (default: as configured, and at least the image's)")
OPT(flag, nat, 0, "nat", "", "let the VM reach other networks through the host")
OPT(vmm, vmm, 0, "vmm", "HOW", "auto, firecracker or qemu (default: as configured)")
OPT(accel, accel, 0, "accel", "HOW", "auto, kvm or tcg; Firecracker has kvm alone")
END(machine)

SHARED(process)
OPT(env, env, 'e', "env", "K=V", "set an environment variable; K alone takes the caller's value")
OPT(string, user, 'u', "user", "USER", "user, or user:group, by name or number (default: the image's)")
OPT(string, directory, 'w', "workdir", "DIR", "working directory (default: the image's)")
END(process)

SHARED(terminal)
OPT(flag, tty, 't', "tty", "", "give the command a terminal")
OPT(flag, interactive, 'i', "interactive", "", "pass standard input on; this is the default")
OPT(flag, no_stdin, 0, "no-stdin", "", "give the command an empty standard input")
END(terminal)

/* ---- vm ---- */

COMMAND(vm_run, vm, "run", "", "Make a VM of an image and run a command or a shell in it")
USE(machine, machine)
USE(process, process)
USE(terminal, terminal)
OPT(string, entrypoint, 0, "entrypoint", "PROGRAM", "run it in the place of the image's entrypoint and command")
OPT(flag, remove, 0, "rm", "", "delete the VM at the end, however the end comes")
OPT(flag, detach, 'd', "detach", "", "run the image's own init or command; print the VM's id and return")
OPT(flag, dry_run, 0, "dry-run", "", "say what would be made, and what would be pulled; make and pull nothing")
OPT(flag, quiet, 'q', "quiet", "", "show no progress")
USE(made, made)
POS(word, command, rest, "COMMAND", "command and arguments, behind the image's entrypoint")
NOTE("Standard input, output and error stay apart, and the exit status is the command's own: 128 + N when signal N ended it, 126 when it could not be executed, 127 when it was not found, 125 when banger itself failed.")
NOTE("Without a command there is a login shell. Signals are passed on to the command; a second one within two seconds kills it. While the VM is being made, Ctrl-C cancels and leaves nothing behind.")
NOTE("At the end with --rm, the image's own command, if it is that which runs in the VM, has its stop signal first, and ten seconds.")
EXAMPLE("banger vm run --rm --image debian")
EXAMPLE("banger vm run --rm --image debian -- uname -a")
EXAMPLE("banger vm run -d --image web --name web --nat")
END(vm_run)

COMMAND(vm_create, vm, "create", "", "Make a VM and start it; print its id")
USE(machine, machine)
USE(process, process)
OPT(string, entrypoint, 0, "entrypoint", "PROGRAM", "run it in the place of the image's entrypoint and command")
OPT(flag, no_start, 0, "no-start", "", "do not start it")
OPT(flag, quiet, 'q', "quiet", "", "show no progress")
USE(made, made)
POS(word, command, rest, "COMMAND", "what the VM runs in place of the image's own init or command")
NOTE("When the command cannot be started, the VM is there nevertheless; that is told, and the exit status is 1. So it is with 'vm run --detach'.")
END(vm_create)

COMMAND(vm_start, vm, "start", "", "Start stopped VMs")
USE(each, each)
POS(vm_ref, vms, many, "VM", "id, name, or unique prefix of either")
END(vm_start)

COMMAND(vm_stop, vm, "stop", "", "Stop VMs: sync and power off, and kill what does not")
OPT(seconds, timeout, 't', "timeout", "SECONDS", "time until a VM is killed (default: as configured); 0: at once, without a word to the guest")
USE(each, each)
POS(vm_ref, vms, many, "VM", "id, name, or unique prefix of either")
END(vm_stop)

COMMAND(vm_restart, vm, "restart", "", "Stop VMs and start them again")
OPT(seconds, timeout, 't', "timeout", "SECONDS", "time until a VM is killed (default: as configured); 0: at once, without a word to the guest")
USE(each, each)
POS(vm_ref, vms, many, "VM", "id, name, or unique prefix of either")
END(vm_restart)

COMMAND(vm_pause, vm, "pause", "", "Halt VMs where they are, with their memory")
USE(each, each)
POS(vm_ref, vms, many, "VM", "id, name, or unique prefix of either")
NOTE("A paused VM answers nothing, and what runs in it waits: 'banger vm resume' lets it go on. That it is paused already is no error. Stopping a paused VM resumes it first.")
END(vm_pause)

COMMAND(vm_resume, vm, "resume", "", "Let paused VMs go on")
USE(each, each)
POS(vm_ref, vms, many, "VM", "id, name, or unique prefix of either")
END(vm_resume)

COMMAND(vm_set, vm, "set", "", "Change VMs: CPUs, memory, disks, NAT, image, kernel")
OPT(vcpus, vcpus, 0, "vcpu", "N", "virtual CPUs")
OPT(memory, memory, 'm', "memory", "SIZE", "memory")
OPT(size, disk_size, 0, "disk-size", "SIZE", "size of the work disk; a VM without one, or that lost it, gets a new one")
OPT(size, system_overlay_size, 0, "system-overlay-size", "SIZE", "size of the root disk")
OPT(flag, nat, 0, "nat", "", "let the VM reach other networks through the host")
OPT(flag, no_nat, 0, "no-nat", "", "let it not")
OPT(image_ref, image, 0, "image", "REF", "start next with a new root disk, of this image; all that is on the old one is lost, the work disk stays")
OPT(kernel_ref, kernel, 0, "kernel", "REF", "boot this kernel; disks stay")
USE(each, each)
POS(vm_ref, vms, many, "VM", "id, name, or unique prefix of either")
NOTE("NAT changes at once. All else is for a VM that is stopped, and holds from its next start on. Disks only grow; the file systems on them follow when the VM starts.")
EXAMPLE("banger vm set --memory 4G --disk-size 20G web")
END(vm_set)

COMMAND(vm_kill, vm, "kill", "", "Kill VMs at once, without a word to the guest")
OPT(signal, signal, 's', "signal", "SIGNAL", "signal for the VMM: name or number (default: KILL)")
USE(each, each)
POS(vm_ref, vms, many, "VM", "id, name, or unique prefix of either")
END(vm_kill)

COMMAND(vm_delete, vm, "delete", "rm", "Delete VMs and their disks")
OPT(flag, force, 'f', "force", "", "running ones too: they are killed")
USE(each, each)
POS(vm_ref, vms, many, "VM", "id, name, or unique prefix of either")
END(vm_delete)

COMMAND(vm_list, vm, "list", "ls ps", "List VMs, oldest first")
USE(list, list)
END(vm_list)

COMMAND(vm_show, vm, "show", "inspect", "Show everything about a VM")
USE(output, output)
POS(vm_ref, vm, one, "VM", "id, name, or unique prefix of either")
END(vm_show)

COMMAND(vm_exec, vm, "exec", "", "Run a command in a VM")
USE(process, process)
USE(terminal, terminal)
POS(vm_ref, vm, one, "VM", "id, name, or unique prefix of either")
POS(word, command, command, "COMMAND", "command and arguments")
NOTE("Standard input, output and error stay apart, and the exit status is the command's own: 128 + N when signal N ended it, 126 when it could not be executed, 127 when it was not found, 125 when banger itself failed. That the VM is paused meanwhile, and why, is a line on standard error.")
EXAMPLE("banger vm exec web -- systemctl status nginx")
EXAMPLE("banger vm exec web tar -C /srv -c . >srv.tar")
END(vm_exec)

COMMAND(vm_shell, vm, "shell", "", "Open a login shell in a VM")
USE(process, process)
POS(vm_ref, vm, one, "VM", "id, name, or unique prefix of either")
END(vm_shell)

COMMAND(vm_console, vm, "console", "", "Attach to a VM's serial console")
POS(vm_ref, vm, one, "VM", "id, name, or unique prefix of either")
NOTE("Ctrl-] detaches.")
END(vm_console)

COMMAND(vm_logs, vm, "logs", "", "Print what a VM wrote to its console")
OPT(flag, follow, 'f', "follow", "", "go on until the VM stops")
POS(vm_ref, vm, one, "VM", "id, name, or unique prefix of either")
END(vm_logs)

COMMAND(vm_health, vm, "health", "", "Ask a VM's guest how it is; the exit status is 1 when it is not well")
USE(output, output)
POS(vm_ref, vm, one, "VM", "id, name, or unique prefix of either")
END(vm_health)

/* ---- image ---- */

COMMAND(image_import, image, "import", "", "Make an image of an OCI layout, an archive or a root file system")
OPT(image_kind, kind, 't', "type", "TYPE", "auto, oci-layout, oci-archive, docker-archive or rootfs")
OPT(string, reference, 'r', "ref", "REF", "which image of a source that has several")
OPT(flag, replace, 0, "replace", "", "put it in the place of your image of that name")
OPT(flag, quiet, 'q', "quiet", "", "show no progress")
USE(made, made)
POS(ref_name, name, one, "NAME", "name of the image")
POS(path, source, one, "SOURCE", "a directory, a file, or - for standard input")
EXAMPLE("skopeo copy docker://debian:12 oci-archive:debian.tar && banger image import debian debian.tar")
EXAMPLE("tar -C rootfs -c . | banger image import mine - --type rootfs")
END(image_import)

COMMAND(image_register, image, "register", "", "Make an image of an ext4 file system in a file of yours, where it is")
OPT(flag, replace, 0, "replace", "", "put it in the place of your image of that name")
OPT(flag, quiet, 'q', "quiet", "", "show no progress")
USE(made, made)
POS(ref_name, name, one, "NAME", "name of the image")
POS(path, file, one, "FILE", "the file, which must be yours")
NOTE("Nothing is copied until a VM is made, whose root disk is a copy of the file. A file that changed since is refused: register it again. It is for 'vm run' and 'vm create' of who can read it; 'vm set --image' and 'image promote' want an image that was imported. Deleting the image leaves the file.")
EXAMPLE("banger image register mine rootfs.ext4")
END(image_register)

COMMAND(image_pull, image, "pull", "", "Make an image of one in a registry")
OPT(ref_name, name, 0, "name", "NAME", "name of the image (default: the reference as it is given)")
OPT(string, platform, 0, "platform", "PLATFORM", "linux/ARCH[/VARIANT] (default: the host's)")
OPT(pull_policy, policy, 0, "policy", "WHEN", "ask the registry: always (the default), missing or never")
OPT(flag, replace, 0, "replace", "", "put it in the place of your image of that name, whatever that is")
OPT(flag, quiet, 'q', "quiet", "", "show no progress")
USE(made, made)
POS(image_source, reference, one, "REFERENCE", "REGISTRY/PATH:TAG, or a short name, of a catalog for one")
NOTE("An image of the same reference gets the new one's place; VMs that were made of it keep it. Credentials come from $REGISTRY_AUTH_FILE, else from containers/auth.json in $XDG_RUNTIME_DIR or $XDG_CONFIG_HOME (~/.config), or config.json in $DOCKER_CONFIG (~/.docker), and the credential helpers that these name; they are handed over for this pull, and nobody keeps them. Ctrl-C cancels; the next pull goes on with what was fetched.")
EXAMPLE("banger image pull debian:12")
EXAMPLE("banger image pull --name web registry.example.org/team/web:2")
END(image_pull)

COMMAND(image_cache, image, "cache", "", "Empty your cache of what was fetched from registries")
OPT(flag, dry_run, 0, "dry-run", "", "say what it would free, and free nothing")
USE(output, output)
POS(cache_verb, verb, one, "VERB", "prune")
NOTE("Pulls at work go on. Images that were made stay.")
EXAMPLE("banger image cache prune --dry-run")
END(image_cache)

COMMAND(image_catalog, image, "catalog", "", "List the images that catalogs have, and which are here")
USE(output, output)
NOTE("Catalogs are files of the administrator's, see banger-catalog(5). What is wrong with one that is broken is told on standard error.")
END(image_catalog)

COMMAND(image_list, image, "list", "ls", "List images")
USE(list, list)
END(image_list)

COMMAND(image_show, image, "show", "inspect", "Show everything about an image")
USE(output, output)
POS(image_ref, image, one, "IMAGE", "id, name, digest, or unique prefix")
END(image_show)

COMMAND(image_promote, image, "promote", "", "Make an image everybody's: root gets a copy of its own")
OPT(ref_name, name, 0, "name", "NAME", "name of the copy (default: the image's)")
OPT(flag, replace, 0, "replace", "", "put it in the place of root's image of that name")
USE(made, made)
POS(image_ref, image, one, "IMAGE", "id, name, digest, or unique prefix")
NOTE("Root alone may. The owner's image stays, and may be deleted later; the copy takes no space of its own.")
END(image_promote)

COMMAND(image_delete, image, "delete", "rm", "Delete images that no VM uses")
USE(each, each)
POS(image_ref, images, many, "IMAGE", "id, name, digest, or unique prefix")
END(image_delete)

/* ---- kernel ---- */

COMMAND(kernel_import, kernel, "import", "", "Make a kernel and its initramfs of a packaged kernel")
OPT(ref_name, name, 0, "name", "NAME", "name of the kernel (default: its version)")
OPT(path, modules, 0, "modules", "DIR", "its modules (default: /lib/modules/VERSION for a file vmlinuz-VERSION)")
OPT(flag, replace, 0, "replace", "", "put it in the place of your kernel of that name")
OPT(flag, quiet, 'q', "quiet", "", "show no progress")
USE(made, made)
POS(path, kernel, optional, "KERNEL", "a vmlinuz, an ELF vmlinux or a .deb (default: the host's own kernel)")
EXAMPLE("banger kernel import")
EXAMPLE("banger kernel import linux-image-6.1.0-13-cloud-amd64_6.1.55-1_amd64.deb")
END(kernel_import)

COMMAND(kernel_pull, kernel, "pull", "", "Make a kernel of one in a catalog")
OPT(ref_name, name, 0, "name", "NAME", "name of the kernel (default: the catalog's)")
OPT(flag, replace, 0, "replace", "", "put it in the place of your kernel of that name, even if no catalog gave that")
OPT(flag, quiet, 'q', "quiet", "", "show no progress")
USE(made, made)
POS(kernel_wanted, kernel, optional, "KERNEL", "its name in a catalog (default: the one that a catalog prefers)")
NOTE("The file is fetched by https, and taken when it has the digest that the catalog says. What was fetched of it when the pull was cut off is kept for the next.")
EXAMPLE("banger kernel pull debian-12")
END(kernel_pull)

COMMAND(kernel_catalog, kernel, "catalog", "", "List the kernels that catalogs have, and which are here")
USE(output, output)
NOTE("Catalogs are files of the administrator's, see banger-catalog(5). What is wrong with one that is broken is told on standard error.")
END(kernel_catalog)

COMMAND(kernel_list, kernel, "list", "ls", "List kernels")
USE(list, list)
END(kernel_list)

COMMAND(kernel_show, kernel, "show", "inspect", "Show everything about a kernel")
USE(output, output)
POS(kernel_ref, kernel, one, "KERNEL", "id, name, or unique prefix of either")
END(kernel_show)

COMMAND(kernel_delete, kernel, "delete", "rm", "Delete kernels that no VM uses")
USE(each, each)
POS(kernel_ref, kernels, many, "KERNEL", "id, name, or unique prefix of either")
END(kernel_delete)

/* ---- the rest ---- */

COMMAND(daemon_status, daemon, "status", "", "Show what the daemon is and what the host offers")
USE(output, output)
END(daemon_status)

COMMAND(doctor, top, "doctor", "", "Look whether the host has all that banger needs, and say what to do")
USE(output, output)
NOTE("Each check passes, warns or fails; the exit status is 1 when one fails. Nothing is changed. Without the daemon, that fails, and the others say what the caller can see. banger(1) lists the checks.")
END(doctor)

COMMAND(version, top, "version", "", "Print the version of this program")
USE(output, output)
END(version)

COMMAND(help, top, "help", "", "Show help on banger, a group or a command")
POS(word, topic, any, "TOPIC", "a group, or a group and a command")
END(help)

COMMAND(completion, top, "completion", "", "Print a completion script for a shell")
POS(shell, shell, one, "SHELL", "bash, zsh or fish")
NOTE("An installed banger comes with all three.")
EXAMPLE("banger completion bash >~/.local/share/bash-completion/completions/banger")
EXAMPLE("banger completion fish >~/.config/fish/completions/banger.fish")
END(completion)

#undef GROUP
#undef SHARED
#undef COMMAND
#undef USE
#undef OPT
#undef POS
#undef NOTE
#undef EXAMPLE
#undef END
