"""What a Redis server does in one step, so that nothing comes between: Lua, as Redis 7 and Valkey run it."""

from __future__ import annotations

__all__ = ["ACQUIRE", "ASIDE", "RELEASE", "SAVE"]

ACQUIRE = """
local held = redis.call('GET', KEYS[2])
if held and held ~= ARGV[1] then return 0 end
local now = redis.call('TIME')
local number = now[1] * 1000000 + now[2]
local last = tonumber(redis.call('HGET', KEYS[1], 'number') or '0')
if number <= last then number = last + 1 end
local bare = redis.call('EXISTS', KEYS[1]) == 0
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('HSET', KEYS[1], 'number', string.format('%.0f', number))
if bare then redis.call('PEXPIRE', KEYS[1], 86400000) end
return string.format('%.0f', number)
"""
"""token, lock; holder, lease in ms -> the number, or 0 if somebody else has the lock.

The number is the server's time in microseconds, or one more than the last: it goes up even where the last is forgotten.
Asked again by the holder itself, whose first answer was lost, it gives the lock once more.
"""

SAVE = """
local last = redis.call('HGET', KEYS[1], 'number')
if ARGV[1] ~= '0' and last and tonumber(last) > tonumber(ARGV[1]) then return 0 end
if ARGV[1] ~= '0' then redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[5]) end
redis.call('HSET', KEYS[1], 'token', ARGV[2])
if ARGV[3] == '0' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return 1
"""
"""token, lock; number (0: without the lock), record, ms to live (0: for ever), holder, lease in ms -> 1, or 0 if the
number is an old one.

The lease begins anew: the whole of it is there for the token call that comes after, however long it took to get here.
"""

RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
"""lock; holder -> 1, or 0 if the lock is somebody else's by now."""

ASIDE = """
if redis.call('HGET', KEYS[1], 'token') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'damaged', ARGV[1])
  redis.call('HDEL', KEYS[1], 'token')
end
return 1
"""
"""token; the record that cannot be read: it gets another name, unless there is a new one by now."""
