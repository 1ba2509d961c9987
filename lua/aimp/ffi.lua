--- The C functions that Lua calls through the FFI, and the structs they share.
--- One file for all declarations; it checks that the host was built from the
--- same version. The contracts stand at the declarations in runtime/proc/pool.h,
--- runtime/proc/port.h, runtime/proc/launcher.h and runtime/sched/*.h.
-- SPDX-License-Identifier: MIT
local ffi = require("ffi")
local core = require("aimp.core")

local FFI_VERSION = 3

ffi.cdef([[
struct aimp_error { int code; int os_errno; char text[256]; };
struct aimp_pool;
struct aimp_port;
struct launcher;

struct frame {
  uint32_t kind, flags, cell, generation, first, count, fn, tag;
  uint64_t aux, len;
};
struct sched_config {
  uint32_t max_slots, queues, concurrency, quota, cells, grace_ms;
};
struct aimp_pool_config {
  struct sched_config sched;
  uint64_t ring_bytes, arena_bytes;
};
struct sched_spec {
  uint32_t owner, group;
  uint64_t base;
  uint32_t count, fn, tag;
  uint64_t needs;
  uint32_t queue;
  int32_t pin, priority;
  uint32_t retries, timeout_ms;
};
struct launch_request {
  uint32_t id, worker;
  int channel_fd, ctl_fd, wake_fd, peer_wake_fd, spawn;
};
struct launch_event {
  uint32_t kind, id;
  int32_t pid, pidfd, status, max_rss_kib;
};
struct aimp_event {
  uint32_t kind, slot, owner, count;
  uint64_t index;
  uint32_t tag, flags, outcome, death, frame_kind, key;
  int32_t code;
  uint32_t cell, generation;
  uint64_t wall_ns;
  const uint8_t *data;
  uint64_t len;
};
struct sched_slot_stats {
  uint64_t done, lost;
  uint32_t running, queued;
  uint64_t busy_ns;
};
struct sched_stats {
  uint64_t waiting, outstanding, done, lost, cancelled, retried, moved;
  uint64_t wait_ns[3], run_ns[3];
};
struct chunker { double item_ns; uint32_t size, max, measured; };

int aimp_launcher_open(struct launcher **out, const char *exe, struct aimp_error *err);
int aimp_launcher_fd(const struct launcher *launcher);
int aimp_launcher_pid(const struct launcher *launcher);
int aimp_launcher_fork(struct launcher *launcher, const struct launch_request *request,
                       struct aimp_error *err);
int aimp_launcher_next(struct launcher *launcher, struct launch_event *event);
const struct aimp_error *aimp_launcher_error(const struct launcher *launcher);
void aimp_launcher_close(struct launcher *launcher);

struct aimp_pool *aimp_pool_new(const struct aimp_pool_config *config, struct aimp_error *err);
void aimp_pool_free(struct aimp_pool *pool);
int aimp_pool_wake_fd(const struct aimp_pool *pool);
void aimp_pool_drain_wake(struct aimp_pool *pool);
int aimp_pool_open_slot(struct aimp_pool *pool, uint32_t slot, struct launch_request *request,
                        struct aimp_error *err);
void aimp_pool_launched(struct aimp_pool *pool, uint32_t slot, struct launch_request *request);
void aimp_pool_set_pidfd(struct aimp_pool *pool, uint32_t slot, int pidfd);
int aimp_pool_post(struct aimp_pool *pool, uint32_t slot, uint32_t kind, uint32_t key, uint32_t tag,
                   const void *data, uint64_t len);
int aimp_pool_post_definitions(struct aimp_pool *pool, uint32_t slot, uint64_t needs);
int aimp_pool_send(struct aimp_pool *pool, uint32_t slot, const struct frame *frame, const void *data);
int aimp_pool_send_fd(struct aimp_pool *pool, uint32_t slot, const struct frame *frame,
                      const void *data, int fd);
int aimp_pool_offer(struct aimp_pool *pool, uint32_t slot, uint32_t items, struct frame *frame,
                    const void *data);
uint32_t aimp_pool_offer_take_back(struct aimp_pool *pool, uint32_t slot, uint32_t cell, uint32_t max);
uint32_t aimp_pool_offer_left(struct aimp_pool *pool, uint32_t slot, uint32_t cell);
int aimp_pool_offer_close(struct aimp_pool *pool, uint32_t slot, uint32_t cell, uint32_t generation);
int aimp_pool_signal(struct aimp_pool *pool, uint32_t slot, int signal_number);
void aimp_pool_ready(struct aimp_pool *pool, uint32_t slot);
void aimp_pool_drain(struct aimp_pool *pool, uint32_t slot);
int aimp_pool_slot_is_idle(const struct aimp_pool *pool, uint32_t slot);
int aimp_pool_slot_is_spent(const struct aimp_pool *pool, uint32_t slot);
void aimp_pool_gone(struct aimp_pool *pool, uint32_t slot, uint32_t death);
void aimp_pool_remove_slot(struct aimp_pool *pool, uint32_t slot);
int aimp_pool_submit(struct aimp_pool *pool, const struct sched_spec *spec, const void *payload,
                     uint64_t len, uint64_t *unit);
int aimp_pool_run(struct aimp_pool *pool);
int aimp_pool_next(struct aimp_pool *pool, struct aimp_event *event);
uint32_t aimp_pool_cancel(struct aimp_pool *pool, uint64_t unit);
uint32_t aimp_pool_cancel_group(struct aimp_pool *pool, uint32_t group);
uint64_t aimp_pool_define(struct aimp_pool *pool, uint32_t key, const void *data, uint64_t len);
void aimp_pool_forget(struct aimp_pool *pool, uint32_t key);
int aimp_pool_has_input(const struct aimp_pool *pool);
int aimp_pool_sleep_begin(struct aimp_pool *pool);
void aimp_pool_sleep_end(struct aimp_pool *pool);
int aimp_pool_spin(struct aimp_pool *pool);
void aimp_pool_tick(struct aimp_pool *pool);
double aimp_pool_tick_in_ns(const struct aimp_pool *pool);
void aimp_pool_slot_stats(const struct aimp_pool *pool, uint32_t slot, struct sched_slot_stats *out);
void aimp_pool_stats(const struct aimp_pool *pool, struct sched_stats *out);
void aimp_chunker_init(struct chunker *chunker, uint32_t max);
uint32_t aimp_chunker_next(const struct chunker *chunker, double remaining, uint32_t workers);
void aimp_chunker_observe(struct chunker *chunker, uint32_t items, uint64_t wall_ns);

struct aimp_shm { uint64_t size; int32_t fd; };
int aimp_shm_create(struct aimp_shm *shm, uint64_t size, struct aimp_error *err);
int aimp_shm_attach(struct aimp_shm *shm, int fd, struct aimp_error *err);
void aimp_shm_close(struct aimp_shm *shm);
void *aimp_shm_map(const struct aimp_shm *shm, struct aimp_error *err);
void aimp_shm_unmap(void *address, uint64_t size);
uint64_t aimp_shm_add(void *cell, uint32_t size, uint64_t n);
int aimp_shm_cas(void *cell, uint32_t size, uint64_t expected, uint64_t desired);

int aimp_port_wake_fd(const struct aimp_port *port);
int aimp_port_hangup_fd(const struct aimp_port *port);
void aimp_port_drain_wake(struct aimp_port *port);
int aimp_port_receive(struct aimp_port *port, struct frame *frame, const uint8_t **payload);
int aimp_port_take_fd(struct aimp_port *port);
int aimp_port_has_input(const struct aimp_port *port);
uint32_t aimp_port_claim(struct aimp_port *port, uint32_t cell, uint32_t generation, uint32_t max,
                         uint32_t *item);
void aimp_port_progress(struct aimp_port *port, uint32_t cell, uint32_t item);
int aimp_port_send(struct aimp_port *port, const struct frame *frame, const void *payload);
int aimp_port_is_congested(const struct aimp_port *port);
int aimp_port_flush(struct aimp_port *port);
int aimp_port_sleep_begin(struct aimp_port *port);
void aimp_port_sleep_end(struct aimp_port *port);
int aimp_port_spin(struct aimp_port *port);
uint64_t aimp_clock_ns(void);
int close(int fd);
struct aimp_pollfd { int fd; short events, revents; };
int aimp_poll(struct aimp_pollfd *fds, unsigned long count, int timeout_ms) __asm__("poll");
]])

local M = {}

if core.ffi_version ~= FFI_VERSION then
  error(("aimp: the Lua files are of FFI version %d, the host's C core of %d; install both from one build")
    :format(FFI_VERSION, core.ffi_version))
end

--- The namespace of the C functions: the executable's own, or the core library's.
M.C = core.library and ffi.load(core.library) or ffi.C

for name, size in pairs(core.sizes) do
  if ffi.sizeof("struct " .. name) ~= size then
    error(("aimp: struct %s has %d bytes in C, %d in ffi.lua"):format(name, size,
      ffi.sizeof("struct " .. name)))
  end
end

--- Frame kinds and flags; runtime/ipc/channel.h.
M.FRAME = {
  START = 1, DEFINE = 2, FORGET = 3, CALL = 4, CANCEL = 5, STOP = 6, NOTE = 7, TELL = 8,
  HELLO = 65, READY = 66, RESULT = 67, ASK = 68,
}
M.FLAG_END = 1
M.FLAG_ERROR = 2

--- enum aimp_event_kind, enum sched_outcome_kind, enum launch_event_kind.
M.EVENT = { RESULT = 1, OUTCOME = 2, FRAME = 3, BROKEN = 4 }
M.OUTCOME = { DIED = 0, TIMED_OUT = 1, CANCELLED = 2 }
M.LAUNCH = { FORKED = 1, FAILED = 2, EXITED = 3, LOST = 4 }

--- Payload formats, frame.tag % 256. Below 16: the codec's.
M.TAG = {
  NUMBERS = 16, -- count doubles
  EMPTY = 17,   -- no payload: every value is nil
  LIST = 32,    -- + codec format: a list with one value an item
  MULTI = 48,   -- + codec format: a list of lists of values
}

return M
