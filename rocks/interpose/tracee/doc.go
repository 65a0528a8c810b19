// Package tracee reads and writes what belongs to a task that waits in a system
// call: its memory, its descriptors and its signals.
//
// A task is named by its thread id, as a seccomp notification gives it. The id
// may get another owner when the task dies, so whatever was read may be used
// only if the notification is still valid afterwards. Writing is safe only under
// a listener whose received calls cannot be interrupted
// (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV); otherwise the task may have left the
// call and reused the memory.
//
// All functions need the permission of ptrace(2) PTRACE_MODE_ATTACH or READ over
// the task. A process that made itself undumpable (ssh-agent) refuses: EPERM or
// EACCES. All errors wrap the errno: EFAULT and EINVAL are meant to be given to
// the program as they are, ESRCH means that the task is gone. Nothing blocks;
// everything may be used concurrently.
package tracee
