/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth-oci: a container from an OCI bundle, by runc's command line. */
#include "runtime/oci/oci.h"

int main(int argc, char **argv)
{
	return oci_main(argc, argv);
}
