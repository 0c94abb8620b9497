"""What a Redis server does in one step, so that nothing comes between: Lua, as Redis 7 and Valkey run it."""

from __future__ import annotations

__all__ = ["ACQUIRE", "ASIDE", "CHECK", "DELETE", "EPOCH", "RELEASE", "REPLACE", "RETIRE", "SAVE"]

ACQUIRE = """
local record = redis.call('HGET', KEYS[1], 'token')
local saved = redis.call('HGET', KEYS[1], 'saved') or '-1'
local last = redis.call('HGET', KEYS[1], 'number') or '0'
local held = redis.call('GET', KEYS[2])
if held and held ~= ARGV[1] then return {'0', last, saved, record} end
if held and last ~= '0' then
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
  return {last, redis.call('HGET', KEYS[1], 'before') or '0', saved, record}
end
local now = redis.call('TIME')
local number = now[1] * 1000000 + now[2]
if number <= tonumber(last) then number = tonumber(last) + 1 end
local bare = redis.call('EXISTS', KEYS[1]) == 0
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('HSET', KEYS[1], 'number', string.format('%.0f', number), 'before', last)
if bare then redis.call('PEXPIRE', KEYS[1], 86400000) end
return {string.format('%.0f', number), last, saved, record}
"""
"""token, lock; holder, lease in ms -> the number of the lock, or 0 if another holder has it; the last number before, or
that of this other holder; the number of the record, or -1; the record, if any.

The number is the server's time in microseconds, or one more than the last: it goes up even where the last is forgotten.
The last number tells a waiter whether the server still knew the lock that it waited for.
Asked again by the holder itself, whose first answer was lost, it gives the same lock once more. The record is there in
all cases: a waiter sees a token that a holder saved before it was killed.
"""

SAVE = """
local saved = redis.call('HGET', KEYS[1], 'saved') or '-1'
local number = ARGV[1]
if number == '' then number = saved end
if tonumber(saved) > tonumber(number) then return {'0', saved, redis.call('HGET', KEYS[1], 'token')} end
local mine = redis.call('GET', KEYS[2]) == ARGV[4]
if ARGV[6] == '1' and not mine then return {'-1'} end
if mine then redis.call('PEXPIRE', KEYS[2], ARGV[5]) end
redis.call('HSET', KEYS[1], 'token', ARGV[2], 'saved', number)
if ARGV[3] == '0' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return {'1'}
"""
"""token, lock; number of the record (empty: as that of the one there), record, ms to live (0: for ever), holder, lease
in ms, whether the lock must be held -> 1; or 0, the number and the record of a newer one that is there; or -1.

A record replaces one with the same number or a lower one, no matter which process has the lock: a record that comes
late, twice or out of order changes nothing, and the newest one is taken also after the server was emptied. It never
takes a lock.
Where the lock is the holder's, its lease begins anew: the whole of it is there for the token call that comes after,
however long it took to get here.
"""

RELEASE = """
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
return 1
"""
"""token, lock; holder -> 1. A lock that another holder has by now stays.

The last number stays as it is: a release that comes late must not hide that the server has forgotten a lock.
"""

DELETE = """
local saved = redis.call('HGET', KEYS[1], 'saved')
if saved and ARGV[1] ~= '' and tonumber(saved) > tonumber(ARGV[1]) then return 0 end
redis.call('HDEL', KEYS[1], 'token', 'saved', 'damaged')
if ARGV[2] == '1' then redis.call('HSET', KEYS[1], 'saved', ARGV[1]) end
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('PEXPIRE', KEYS[1], 86400000) end
return 1
"""
"""token; number (empty: any), whether the number stays -> 1, or 0 if the record has a higher number.

The number of the lock stays for a day. So does the given one: it refuses a save from before the end of the session that
comes late, and shows the end to processes that have a token with a lower number.
"""

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
  redis.call('HDEL', KEYS[1], 'token', 'saved')
end
return 1
"""
"""token; the record that cannot be read: it gets another name, unless there is a new one by now."""

EPOCH = """
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local known = redis.call('HMGET', KEYS[1], 'run', 'since')
local since = tonumber(known[2] or '')
if known[1] ~= run or not since or since > now then
  since = now
  redis.call('HSET', KEYS[1], 'run', run, 'since', string.format('%.0f', since))
end
return {run .. string.format(':%.0f', since), string.format('%.0f', now - since)}
"""
"""epoch -> its ID, its age in microseconds.

`run_id` is that of a process of Redis: a restart changes it, and so does a fail-over, after which another process is
the primary. The ID has the time as well, because a server that is emptied keeps its `run_id`.
"""

CHECK = """
redis.call('INFO', 'server')
redis.call('TIME')
redis.call('SET', KEYS[2], '1', 'NX', 'PX', 1000)
redis.call('GET', KEYS[2])
redis.call('DEL', KEYS[2])
redis.call('EXISTS', KEYS[1])
redis.call('HSET', KEYS[1], 'token', '1', 'number', '1')
redis.call('HGET', KEYS[1], 'token')
redis.call('HMGET', KEYS[1], 'token', 'saved')
redis.call('HDEL', KEYS[1], 'token')
redis.call('PERSIST', KEYS[1])
redis.call('PEXPIRE', KEYS[1], 1000)
redis.call('PTTL', KEYS[1])
redis.call('DEL', KEYS[1])
return 1
"""
"""Two scratch keys -> 1. Every command of the other scripts: what the user may not do shows before it is needed."""
