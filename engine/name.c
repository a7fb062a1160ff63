/* SPDX-License-Identifier: MIT */
#include "name.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* "_" and 8 hex digits, without a NUL. */
#define HASH_LEN 9

static bool is_safe(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == ':' || c == '_' || c == '-';
}

/*
 * FNV-1a, 32 bits. Never to be changed: it becomes part of series' names in stores, and must be the
 * same on each machine and in each version.
 */
static uint32_t name_hash(const char *name, size_t len)
{
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619U;
	return hash;
}

char *ft_sanitise(char *out, size_t size, const char *name, size_t len)
{
	size_t length = strnlen(name, len);
	size_t keep = length;

	if (!size)
		return out;
	if (length >= size)
		keep = size > HASH_LEN ? size - 1 - HASH_LEN : 0;
	for (size_t i = 0; i < keep; i++)
		out[i] = is_safe(name[i]) ? name[i] : '_';
	out[keep] = '\0';
	if (keep < length)
		snprintf(out + keep, size - keep, "_%08x", name_hash(name, length));
	return out;
}

/* RFC 5952, 4.2: "::" for the longest run of zero groups, the first of equals, never for one. */
static int zero_run(const unsigned int group[static 8], int *length)
{
	int first = 0;

	*length = 1;
	for (int i = 0; i < 8; i++) {
		int n = 0;

		while (i + n < 8 && !group[i + n])
			n++;
		if (n > *length) {
			first = i;
			*length = n;
		}
		i += n;
	}
	if (*length == 1)
		*length = 0;
	return first;
}

/*
 * Not by inet_ntop(): it writes ::102:304 as ::1.2.3.4, and once a store has made '_' of '.' and
 * ':', that is also how ::1:2:3:4 reads. With groups alone, an address has either seven separators
 * or two in a row, and IPv4 has neither.
 */
static void format_ipv6(char out[static FT_ADDRESS_MAX], const unsigned char addr[static 16])
{
	unsigned int group[8];
	int zeros, length;
	size_t used = 0;

	for (int i = 0; i < 8; i++)
		group[i] = (unsigned int)addr[2 * i] << 8 | addr[2 * i + 1];
	zeros = zero_run(group, &length);
	for (int i = 0; i < 8; i++) {
		const char *colon = i ? ":" : "";

		if (length && i == zeros) {
			used += (size_t)snprintf(out + used, FT_ADDRESS_MAX - used, "::");
			i += length - 1;
			continue;
		}
		if (length && i == zeros + length)
			colon = "";
		used += (size_t)snprintf(out + used, FT_ADDRESS_MAX - used, "%s%x", colon,
					 group[i]);
	}
}

char *ft_address_format(char out[static FT_ADDRESS_MAX], const unsigned char addr[static 16])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (memcmp(addr, mapped, sizeof(mapped)) == 0)
		snprintf(out, FT_ADDRESS_MAX, "%u.%u.%u.%u", addr[12], addr[13], addr[14],
			 addr[15]);
	else
		format_ipv6(out, addr);
	return out;
}

const char *ft_protocol_name(unsigned char protocol, char out[static 4])
{
	if (protocol == IPPROTO_TCP)
		return "tcp";
	if (protocol == IPPROTO_UDP)
		return "udp";
	snprintf(out, 4, "%u", protocol);
	return out;
}

static size_t add_port(char *out, size_t used, uint16_t port)
{
	if (!port)
		return used;
	return used + (size_t)snprintf(out + used, FT_NAME_MAX - used, "-%u", port);
}

char *ft_flow_name(char out[static FT_NAME_MAX], const struct ft_key *key)
{
	char address[FT_ADDRESS_MAX], protocol[4];
	size_t used;

	/* At most 3 + 2 * (1 + 39 + 1 + 5) bytes: it always fits. */
	used = (size_t)snprintf(out, FT_NAME_MAX, "%s-%s",
				ft_protocol_name(key->protocol, protocol),
				ft_address_format(address, key->local_addr));
	used = add_port(out, used, key->local_port);
	used += (size_t)snprintf(out + used, FT_NAME_MAX - used, "-%s",
				 ft_address_format(address, key->remote_addr));
	add_port(out, used, key->remote_port);
	return out;
}
