-- Redis's clock, in µs since 1970. It is read once: two readings in one script
-- may differ.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

-- A state lives for its reset, in ms rounded up, and 1 ms more: Redis counts
-- expiry from the script's beginning in whole ms, which may be one before now's.
