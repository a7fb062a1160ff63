/* SPDX-License-Identifier: MIT */
#include "name.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool is_safe(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == ':' || c == '_' || c == '-';
}

/* FNV-1a, 32 bits: stable across versions and machines, for it becomes part of series' names. */
static uint32_t name_hash(const char *name, size_t len)
{
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619U;
	return hash;
}

char *ft_sanitise(char *out, size_t size, const char *name, size_t len)
{
	size_t length = strnlen(name, len), keep = length < size ? length : size - 1 - 9;

	for (size_t i = 0; i < keep; i++)
		out[i] = is_safe(name[i]) ? name[i] : '_';
	out[keep] = '\0';
	if (keep < length)
		snprintf(out + keep, size - keep, "_%08x", name_hash(name, length));
	return out;
}

char *ft_address_format(char out[static FT_ADDRESS_MAX], const unsigned char addr[static 16])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	/* inet_ntop() writes IPv6 as RFC 5952 wants it; it can only fail for lack of room. */
	if (memcmp(addr, mapped, sizeof(mapped)) == 0)
		inet_ntop(AF_INET, addr + 12, out, FT_ADDRESS_MAX);
	else
		inet_ntop(AF_INET6, addr, out, FT_ADDRESS_MAX);
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

	/* At most 3 + 2 * (1 + 45 + 1 + 5) bytes: it always fits. */
	used = (size_t)snprintf(out, FT_NAME_MAX, "%s-%s",
				ft_protocol_name(key->protocol, protocol),
				ft_address_format(address, key->local_addr));
	used = add_port(out, used, key->local_port);
	used += (size_t)snprintf(out + used, FT_NAME_MAX - used, "-%s",
				 ft_address_format(address, key->remote_addr));
	add_port(out, used, key->remote_port);
	return out;
}
