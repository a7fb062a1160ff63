/* SPDX-License-Identifier: MIT */
/*
 * flowtop, a read plugin of collectd: the host's top network flows. This file is the plugin's
 * life: config, init, read, shutdown. The measuring is the engine's.
 */
#include <time.h>

#include "../engine/flowtop.h"
#include "../engine/fold.h"
#include "config.h"
#include "daemon.h"
#include "dispatch.h"

/*
 * A trouble that comes and goes is one trouble: it counts as over, and is told again when it comes
 * back, only after it has stayed away for this long.
 */
#define TROUBLE_OVER_SECONDS 3600

struct trouble {
	c_complain_t complaint;
	cdtime_t last; /* when it was last seen */
};

/* The daemon's interface knows one instance of a plugin; this is all of its state. */
static struct {
	struct plugin_settings settings;
	struct flowtop *engine; /* NULL: not measuring */
	struct ft_fold *fold;
	bool started; /* the first read is over */
	const struct ft_talker *room[PLUGIN_TOP_LIMIT];

	struct trouble turn;	 /* the kernel refused to end an interval */
	struct trouble memory;	 /* no memory to fold an interval, or in the daemon */
	struct trouble full;	 /* more flows than MaxFlows */
	struct trouble no_state; /* connections that were not counted */
} self;

static bool trouble_is_over(const struct trouble *trouble, cdtime_t now)
{
	return c_would_release(&trouble->complaint) && now > trouble->last &&
	       now - trouble->last >= TIME_T_TO_CDTIME_T_STATIC(TROUBLE_OVER_SECONDS);
}

static int config_callback(oconfig_item_t *block)
{
	plugin_settings_parse(&self.settings, block);
	/* Anything but 0 would keep the whole daemon from starting; init deals with the rest. */
	return 0;
}

/* The ports that the kernel gives to clients; its own default where they cannot be read. */
static struct ft_ephemeral_range ephemeral_range(void)
{
	struct ft_ephemeral_range range = { .first = 32768, .last = 60999 };
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	unsigned int first, last;

	if (!file)
		return range;
	if (fscanf(file, "%u %u", &first, &last) == 2 && first <= last && last <= UINT16_MAX)
		range = (struct ft_ephemeral_range){ .first = (uint16_t)first,
						     .last = (uint16_t)last };
	fclose(file);
	return range;
}

/* One line: the probe, and why not those before it. Cut so that the daemon's 1023 bytes hold it. */
static void log_opened(const struct ft_report *report)
{
	char others[960];
	size_t used = 0;

	others[0] = '\0';
	for (int probe = 0; probe < FT_PROBES; probe++) {
		if (!report->why_not[probe][0] || used >= sizeof(others))
			continue;
		used += (size_t)snprintf(others + used, sizeof(others) - used, "%s%s: %.460s",
					 used ? "; " : "", ft_probe_name((enum ft_probe)probe),
					 report->why_not[probe]);
	}
	plugin_log(LOG_INFO, "flowtop plugin: probe %s%s%s%s", ft_probe_name(report->chosen),
		   others[0] ? " (" : "", others, others[0] ? ")" : "");
	if (report->notice[0])
		plugin_log(LOG_NOTICE, "flowtop plugin: %s", report->notice);
}

static void tear_down(void)
{
	flowtop_close(self.engine);
	ft_fold_free(self.fold);
	self.engine = NULL;
	self.fold = NULL;
	self.started = false;
}

/*
 * A failure returns -1: the daemon then unregisters the read, runs on with its other plugins, and
 * `collectd -T`, which is how a configuration is tried out, reports it by its status. So does the
 * daemon itself, when it ends. Returning 0 with nothing to read would hide both.
 */
static int init_callback(void)
{
	struct ft_report report;

	if (self.engine)
		return 0;
	if (self.settings.refused) {
		plugin_log(LOG_ERR,
			   "flowtop plugin: nothing is measured, because the <Filter> block is "
			   "wrong: correct what the lines above name and restart collectd");
		return -1;
	}
	self.fold = ft_fold_new(FT_FOLD_FLOW, ephemeral_range());
	if (!self.fold) {
		plugin_log(LOG_ERR, "flowtop plugin: cannot start: out of memory");
		return -1;
	}
	if (flowtop_open(&self.engine, &self.settings.engine, &report)) {
		self.engine = NULL;
		plugin_log(LOG_ERR, "flowtop plugin: %.1000s", report.error);
		tear_down();
		return -1;
	}
	log_opened(&report);
	return 0;
}

/* Once, not in each interval: a full table stays full until somebody acts. */
static void watch_table(const struct ft_interval *interval, cdtime_t now)
{
	if (interval->table_full) {
		self.full.last = now;
		c_complain_once(
			LOG_WARNING, &self.full.complaint,
			"flowtop plugin: MaxFlows %u is too small for this host: of the last "
			"interval %llu bytes egress and %llu bytes ingress have no flow of their "
			"own (they are in \"other\", as unattributed; totals are exact). Raise "
			"MaxFlows in <Plugin flowtop>, at most %u, or narrow it by <Filter>. This "
			"is said once",
			self.settings.engine.max_flows,
			(unsigned long long)ft_fold_unattributed(self.fold, FT_EGRESS).bytes,
			(unsigned long long)ft_fold_unattributed(self.fold, FT_INGRESS).bytes,
			FT_MAX_FLOWS_LIMIT);
	} else if (trouble_is_over(&self.full, now)) {
		c_release(LOG_INFO, &self.full.complaint,
			  "flowtop plugin: MaxFlows %u has been enough for an hour",
			  self.settings.engine.max_flows);
	}
}

static void watch_state(const struct ft_interval *interval, cdtime_t now)
{
	uint64_t events = interval->event[FT_EVENT_NO_STATE];

	if (events) {
		self.no_state.last = now;
		c_complain(LOG_WARNING, &self.no_state.complaint,
			   "flowtop plugin: %llu TCP transfers of the last interval were not "
			   "counted: the kernel gave no memory for the state of their connections. "
			   "Free memory on this host; flowtop-health/count-no_state follows it",
			   (unsigned long long)events);
	} else if (trouble_is_over(&self.no_state, now)) {
		c_release(LOG_INFO, &self.no_state.complaint,
			  "flowtop plugin: all TCP transfers have been counted for an hour");
	}
}

static void watch_memory(bool short_of_it, cdtime_t now)
{
	if (short_of_it) {
		self.memory.last = now;
		c_complain(LOG_ERR, &self.memory.complaint,
			   "flowtop plugin: out of memory: values of the last interval are "
			   "missing");
	} else if (trouble_is_over(&self.memory, now)) {
		c_release(LOG_INFO, &self.memory.complaint,
			  "flowtop plugin: no values have been missing for an hour");
	}
}

/* Returns 0, or -1 when the interval could not be ended: its bytes then belong to the next one. */
static int turn(struct ft_interval *interval, uint64_t *turn_ns, cdtime_t now)
{
	struct timespec before, after;
	int err;

	clock_gettime(CLOCK_MONOTONIC, &before);
	err = flowtop_turn(self.engine, interval);
	clock_gettime(CLOCK_MONOTONIC, &after);
	if (err) {
		self.turn.last = now;
		c_complain(LOG_ERR, &self.turn.complaint,
			   "flowtop plugin: cannot end the interval: %s; no byte is lost, they are "
			   "part of the next one",
			   STRERROR(-err));
		return -1;
	}
	if (trouble_is_over(&self.turn, now))
		c_release(LOG_INFO, &self.turn.complaint,
			  "flowtop plugin: every interval has ended well for an hour");
	*turn_ns = (uint64_t)((after.tv_sec - before.tv_sec) * 1000000000 +
			      (after.tv_nsec - before.tv_nsec));
	return 0;
}

/*
 * Trouble that passes returns 0: for anything else the daemon would read this plugin less and less
 * often, down to once a day.
 */
static int read_callback(void)
{
	struct ft_interval interval;
	struct dispatch_source source = {
		.interval = &interval,
		.fold = self.fold,
		.room = self.room,
		.top = self.settings.top,
	};
	cdtime_t now = cdtime();
	int err;

	if (!self.engine)
		return -1;
	/*
	 * The daemon reads at once after init, when there is no interval yet. The table is not
	 * turned: what passed since init belongs to the first interval.
	 */
	if (!self.started) {
		self.started = true;
		return 0;
	}
	if (turn(&interval, &source.turn_ns, now))
		return 0;
	err = ft_fold_interval(self.fold, interval.records, interval.used);
	if (!err) {
		source.probe = flowtop_probe(self.engine);
		watch_table(&interval, now);
		err = dispatch_interval(&source, now) ? -ENOMEM : 0;
	}
	watch_state(&interval, now);
	watch_memory(err != 0, now);
	return 0;
}

/* Called at the end in any case: after a failed init, too. */
static int shutdown_callback(void)
{
	tear_down();
	return 0;
}

void module_register(void)
{
	memset(&self, 0, sizeof(self));
	plugin_settings_default(&self.settings);
	plugin_register_complex_config("flowtop", config_callback);
	plugin_register_init("flowtop", init_callback);
	plugin_register_read("flowtop", read_callback);
	plugin_register_shutdown("flowtop", shutdown_callback);
}
