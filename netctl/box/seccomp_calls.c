// SPDX-License-Identifier: GPL-2.0-or-later
/* Docker's default, as a table: names that a kernel or libseccomp does not know do no harm. */
#include "netctl/box/seccomp_calls.h"

const struct seccomp_calls seccomp_calls[] = {
	/* files by name */
	{ NULL,
	  "open openat openat2 creat close close_range access faccessat "
	  "faccessat2 stat stat64 lstat lstat64 fstat fstat64 fstatat64 "
	  "newfstatat statx statfs statfs64 fstatfs fstatfs64 statmount "
	  "listmount chdir fchdir getcwd mkdir mkdirat rmdir link linkat "
	  "symlink symlinkat readlink readlinkat rename renameat renameat2 "
	  "unlink unlinkat mknod mknodat umask name_to_handle_at" },
	/* what belongs to one */
	{ NULL, "chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32 "
		"fchownat lchown lchown32 utime utimes utimensat "
		"utimensat_time64 futimesat truncate truncate64 ftruncate "
		"ftruncate64 fallocate getxattr lgetxattr fgetxattr setxattr "
		"lsetxattr fsetxattr listxattr llistxattr flistxattr "
		"removexattr lremovexattr fremovexattr getxattrat setxattrat "
		"listxattrat removexattrat" },
	/* what is in one */
	{ NULL,
	  "read readv pread64 preadv preadv2 write writev pwrite64 pwritev "
	  "pwritev2 lseek _llseek getdents getdents64 sendfile sendfile64 "
	  "copy_file_range splice tee vmsplice readahead fadvise64 "
	  "fadvise64_64 sync syncfs fsync fdatasync sync_file_range "
	  "cachestat flock fcntl fcntl64 ioctl dup dup2 dup3 pipe pipe2" },
	/* waiting for them */
	{ NULL,
	  "select _newselect pselect6 pselect6_time64 poll ppoll "
	  "ppoll_time64 epoll_create epoll_create1 epoll_ctl epoll_ctl_old "
	  "epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd "
	  "eventfd2 signalfd signalfd4 timerfd_create timerfd_settime "
	  "timerfd_settime64 timerfd_gettime timerfd_gettime64 "
	  "inotify_init inotify_init1 inotify_add_watch inotify_rm_watch "
	  "fanotify_mark io_setup io_destroy io_submit io_cancel "
	  "io_getevents io_pgetevents io_pgetevents_time64" },
	/* memory */
	{ NULL, "brk mmap mmap2 munmap mremap mprotect madvise mincore mlock "
		"mlock2 mlockall munlock munlockall msync mseal memfd_create "
		"memfd_secret membarrier remap_file_pages map_shadow_stack "
		"pkey_alloc pkey_free pkey_mprotect process_mrelease" },
	/* processes and threads */
	{ NULL,
	  "fork vfork execve execveat exit exit_group wait4 waitid waitpid "
	  "getpid getppid gettid getpgid setpgid getpgrp getsid setsid "
	  "pidfd_open pidfd_send_signal set_tid_address set_robust_list "
	  "get_robust_list set_thread_area get_thread_area rseq futex "
	  "futex_time64 futex_waitv futex_wait futex_wake futex_requeue "
	  "prctl seccomp landlock_create_ruleset landlock_add_rule "
	  "landlock_restrict_self uretprobe" },
	/* whose they are */
	{ NULL,
	  "getuid getuid32 geteuid geteuid32 getgid getgid32 getegid "
	  "getegid32 getresuid getresuid32 getresgid getresgid32 getgroups "
	  "getgroups32 setuid setuid32 setgid setgid32 setreuid setreuid32 "
	  "setregid setregid32 setresuid setresuid32 setresgid "
	  "setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups "
	  "setgroups32 capget capset" },
	/* what they get */
	{ NULL, "getrlimit ugetrlimit setrlimit prlimit64 getrusage times "
		"getpriority setpriority ioprio_get ioprio_set sched_yield "
		"sched_getparam sched_setparam sched_getscheduler "
		"sched_setscheduler sched_getattr sched_setattr "
		"sched_getaffinity sched_setaffinity sched_get_priority_max "
		"sched_get_priority_min sched_rr_get_interval "
		"sched_rr_get_interval_time64 getcpu" },
	/* signals */
	{ NULL,
	  "kill tkill tgkill pause alarm sigaltstack sigprocmask sigreturn "
	  "rt_sigaction rt_sigprocmask rt_sigpending rt_sigsuspend "
	  "rt_sigtimedwait rt_sigtimedwait_time64 rt_sigqueueinfo "
	  "rt_tgsigqueueinfo rt_sigreturn restart_syscall" },
	/* time: setting the clock wants a capability that none has by default */
	{ NULL, "time gettimeofday clock_gettime clock_gettime64 clock_getres "
		"clock_getres_time64 clock_nanosleep clock_nanosleep_time64 "
		"nanosleep adjtimex clock_adjtime clock_adjtime64 getitimer "
		"setitimer timer_create timer_settime timer_settime64 "
		"timer_gettime timer_gettime64 timer_getoverrun timer_delete" },
	/* sockets, once there are some */
	{ NULL, "socketcall socketpair bind listen accept accept4 connect "
		"shutdown getsockname getpeername getsockopt setsockopt send "
		"sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg "
		"recvmmsg_time64" },
	/* System V and POSIX IPC */
	{ NULL, "ipc msgget msgsnd msgrcv msgctl semget semop semtimedop "
		"semtimedop_time64 semctl shmget shmat shmdt shmctl mq_open "
		"mq_unlink mq_timedsend mq_timedsend_time64 mq_timedreceive "
		"mq_timedreceive_time64 mq_notify mq_getsetattr" },
	/* the machine */
	{ NULL, "uname sysinfo getrandom" },
	/* a child's, within the container: safe since Linux 4.8 */
	{ NULL, "ptrace process_vm_readv process_vm_writev" },
#if defined(__x86_64__)
	{ NULL, "arch_prctl modify_ldt" },
#elif defined(__aarch64__)
	{ NULL,
	  "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint "
	  "cacheflush set_tls" },
#endif
	{ "CAP_SYS_ADMIN",
	  "mount umount umount2 mount_setattr move_mount open_tree fsopen "
	  "fsconfig fsmount fspick quotactl quotactl_fd setns unshare "
	  "sethostname setdomainname clone clone3 bpf perf_event_open syslog "
	  "fanotify_init lookup_dcookie lsm_get_self_attr lsm_set_self_attr "
	  "lsm_list_modules" },
	{ "CAP_DAC_READ_SEARCH", "open_by_handle_at" },
	{ "CAP_SYS_BOOT", "reboot" },
	{ "CAP_SYS_CHROOT", "chroot" },
	{ "CAP_SYS_MODULE", "init_module finit_module delete_module" },
	{ "CAP_SYS_PACCT", "acct" },
	{ "CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise" },
	{ "CAP_SYS_RAWIO", "iopl ioperm" },
	{ "CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64" },
	{ "CAP_SYS_TTY_CONFIG", "vhangup" },
	{ "CAP_SYS_NICE", "get_mempolicy set_mempolicy "
			  "set_mempolicy_home_node mbind" },
	{ "CAP_SYSLOG", "syslog" },
	{ "CAP_BPF", "bpf" },
	{ "CAP_PERFMON", "perf_event_open" },
	{ 0 },
};
