"""What a Redis server does in one step, so that nothing comes between: Lua, as Redis 7 and Valkey run it."""

from __future__ import annotations

__all__ = ["ACQUIRE", "ASIDE", "CHECK", "DELETE", "RELEASE", "REPLACE", "RETIRE", "SAVE"]

ACQUIRE = """
local record = redis.call('HGET', KEYS[1], 'token')
local held = redis.call('GET', KEYS[2])
if held and held ~= ARGV[1] then return {'0', record} end
local now = redis.call('TIME')
local number = now[1] * 1000000 + now[2]
local last = tonumber(redis.call('HGET', KEYS[1], 'number') or '0')
if number <= last then number = last + 1 end
local bare = redis.call('EXISTS', KEYS[1]) == 0
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('HSET', KEYS[1], 'number', string.format('%.0f', number))
if bare then redis.call('PEXPIRE', KEYS[1], 86400000) end
return {string.format('%.0f', number), record}
"""
"""token, lock; holder, lease in ms -> the number, or 0 if another holder has the lock; and the record, if any.

The number is the server's time in microseconds, or one more than the last: it goes up even where the last is forgotten.
Asked again by the holder itself, whose first answer was lost, it gives the lock once more. The record is there in both
cases: a waiter sees a token that a holder saved before it was killed.
"""

SAVE = """
local last = redis.call('HGET', KEYS[1], 'number')
if ARGV[1] ~= '0' and last and tonumber(last) > tonumber(ARGV[1]) then return 0 end
if ARGV[1] ~= '0' then redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[5]) end
redis.call('HSET', KEYS[1], 'token', ARGV[2])
if ARGV[1] ~= '0' and not last then redis.call('HSET', KEYS[1], 'number', ARGV[1]) end
if ARGV[3] == '0' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return 1
"""
"""token, lock; number (0: without the lock), record, ms to live (0: for ever), holder, lease in ms -> 1, or 0 if the
number is an old one.

The lease begins anew: the whole of it is there for the token call that comes after, however long it took to get here.
A number that the server has forgotten (it was emptied) is written again, so that it keeps guarding the record.
"""

RELEASE = """
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
local last = redis.call('HGET', KEYS[1], 'number')
if last and last == ARGV[2] then
  redis.call('HSET', KEYS[1], 'number', string.format('%.0f', tonumber(last) + 1))
end
return 1
"""
"""token, lock; holder, number -> 1. A lock that another holder has by now stays.

The number goes up: a SAVE that was held up on its way and comes after this is refused, and sets no lock.
"""

DELETE = """
redis.call('HDEL', KEYS[1], 'token', 'damaged')
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('PEXPIRE', KEYS[1], 86400000) end
return 1
"""
"""token -> 1. The number of the lock stays for a day."""

RETIRE = """
local left = redis.call('PTTL', KEYS[1])
if left == -1 or left > 86400000 then redis.call('PEXPIRE', KEYS[1], 86400000) end
return 1
"""
"""token -> 1. What is there ends within a day."""

REPLACE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) end
return 1
"""
"""key; the value that is to be replaced, the new one -> 1."""

ASIDE = """
if redis.call('HGET', KEYS[1], 'token') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'damaged', ARGV[1])
  redis.call('HDEL', KEYS[1], 'token')
end
return 1
"""
"""token; the record that cannot be read: it gets another name, unless there is a new one by now."""

CHECK = """
redis.call('TIME')
redis.call('SET', KEYS[2], '1', 'NX', 'PX', 1000)
redis.call('GET', KEYS[2])
redis.call('DEL', KEYS[2])
redis.call('EXISTS', KEYS[1])
redis.call('HSET', KEYS[1], 'token', '1', 'number', '1')
redis.call('HGET', KEYS[1], 'token')
redis.call('HDEL', KEYS[1], 'token')
redis.call('PERSIST', KEYS[1])
redis.call('PEXPIRE', KEYS[1], 1000)
redis.call('PTTL', KEYS[1])
redis.call('DEL', KEYS[1])
return 1
"""
"""Two scratch keys -> 1. Every command of the other scripts: what the user may not do shows before it is needed."""
