/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sealed copy of the program, in memory. */
#include "runtime/oci/selfexe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int failed(struct err *err, const char *what)
{
	return err_set(err, -errno, "a sealed copy of berth-oci: %s: %s", what,
		       strerror(errno));
}

int selfexe_seal(char **argv, struct err *err)
{
	_cleanup_close_ int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int copy = -EBADF;
	off_t at = 0;
	struct stat st;

	if (self < 0 || fstat(self, &st) < 0)
		return failed(err, "/proc/self/exe");
	/* only files in memory have seals */
	if (fcntl(self, F_GET_SEALS) == SEALS)
		return 0;
	copy = memfd_create("berth-oci",
			    MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (copy < 0 && errno == EINVAL) /* before 6.3 */
		copy = memfd_create("berth-oci",
				    MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy < 0)
		return failed(err, "memfd");
	while (at < st.st_size)
		if (sendfile(copy, self, &at, (size_t)(st.st_size - at)) <= 0)
			return failed(err, "copy");
	if (fchmod(copy, 0500) < 0 || fcntl(copy, F_ADD_SEALS, SEALS) < 0)
		return failed(err, "seal");
	fexecve(copy, argv, environ);
	return failed(err, "exec");
}
