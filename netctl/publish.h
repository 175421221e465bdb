/* SPDX-License-Identifier: GPL-2.0-or-later */
/* publish.h - "-p" as docker run has it, as the rows a driver is given. */
#ifndef NETCTL_PUBLISH_H
#define NETCTL_PUBLISH_H

#include <json-c/json.h>

#include "lib/err.h"

/*
 * publish_parse() - add the rows of @text to @ports.
 *
 *   8080:80            80/tcp at any address of the host
 *   127.0.0.1:53:53/udp, [::1]:80:80
 *   80                 at a port the driver chooses
 *   9000-9009:80       at one free port of these
 *   9000-9009:90-99    each at its own
 *
 * @ports: an array; what com.docker.network.portmap is: Proto, IP, Port, HostIP,
 *         HostPort, HostPortEnd.
 * Return: 0; -EINVAL, saying what would be right; -ENOMEM.
 */
int publish_parse(const char *text, json_object *ports, struct err *err);

#endif
