/* SPDX-License-Identifier: MIT */
#ifndef FLOWTOP_NAME_H
#define FLOWTOP_NAME_H

/*
 * Names: how a talker is called in a store or on a screen. Everything that comes from outside goes
 * through ft_sanitise(), nothing else makes bytes safe.
 */

#include <stddef.h>

#include "../include/abi.h"

/* The longest name that a collectd instance holds, with its NUL (DATA_MAX_NAME_LEN). */
#define FT_NAME_MAX 128

/* Room for ft_address_format(), NUL included. */
#define FT_ADDRESS_MAX 46

/*
 * ft_sanitise - copy @len bytes of a foreign name, up to its first NUL, into @out.
 *
 * Every byte outside A-Z a-z 0-9 . : _ - becomes '_'. What does not fit in @size (NUL included) is
 * cut and ends in "_" followed by 8 hex digits of a stable hash of the whole name as it was before
 * (FNV-1a, 32 bits), so that two long names stay distinct. An empty name stays empty. @size is at
 * least 16; a smaller one is never overrun, but what it receives need not be distinct.
 * Returns @out.
 */
char *ft_sanitise(char *out, size_t size, const char *name, size_t len);

/*
 * 16 bytes, network order -> "10.0.0.5" for ::ffff/96, else IPv6 by RFC 5952, always in groups
 * ("::102:304", never "::1.2.3.4"), so that addresses stay distinct once a store has mapped '.' and
 * ':' to '_'. Returns @out.
 */
char *ft_address_format(char out[static FT_ADDRESS_MAX], const unsigned char addr[static 16]);

/*
 * ft_flow_name - the name of a flow, fields parted by '-', a port that is 0 left out:
 * "tcp-10.0.0.5-443-10.0.0.9", "udp-fe80::1-53-fe80::2-40000". Distinct keys have distinct names,
 * also after a store has mapped '.' and ':' to '_'; the network namespace is not part of a name.
 * @out: at most FT_NAME_MAX bytes are written, NUL included. Returns @out.
 */
char *ft_flow_name(char out[static FT_NAME_MAX], const struct ft_key *key);

/* "tcp", "udp"; another number: its decimal digits, written to @out. */
const char *ft_protocol_name(unsigned char protocol, char out[static 4]);

#endif /* FLOWTOP_NAME_H */
