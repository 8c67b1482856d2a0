"""Contains the Lua scripts that settle messages. Redis runs each as a whole or, if it is killed, not at all.

A transaction (`MULTI`) cannot do this: if its `XADD` fails, for example because the stream is missing, Redis
carries out its `XACK` nevertheless, and the message is lost:
https://redis.io/docs/latest/develop/using-commands/transactions/#errors-inside-a-transaction.
A script ends at its first error.

Each script does nothing to a message that no longer belongs to the consumer, so it can be run again if its
reply was lost.
"""

#: Defines `finish(id)`, which acknowledges a message for `group`, and deletes it once all groups have
#: acknowledged it. Redis keeps acknowledged entries, and only version 8.2 has XACKDEL for this.
_FINISH = """
local stream, group = KEYS[1], ARGV[1]
local others = {}
for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local other = {}
  for i = 1, #info, 2 do other[info[i]] = info[i + 1] end
  if other['name'] ~= group then others[#others + 1] = other end
end
local function parts(id)
  local milliseconds, sequence = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(milliseconds), tonumber(sequence)
end
local function is_waiting(other, id)
  local last_milliseconds, last_sequence = parts(other['last-delivered-id'])
  local milliseconds, sequence = parts(id)
  if milliseconds > last_milliseconds then return true end
  if milliseconds == last_milliseconds and sequence > last_sequence then return true end
  return other['pending'] > 0 and #redis.call('XPENDING', stream, other['name'], id, id, 1) > 0
end
local function finish(id)
  if redis.call('XACK', stream, group, id) == 0 then return end
  for _, other in ipairs(others) do
    if is_waiting(other, id) then return end
  end
  redis.call('XDEL', stream, id)
end
"""

_BELONGS = """
local function belongs(id, consumer)
  local found = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)
  return #found == 1 and found[1][2] == consumer
end
"""

#: KEYS: stream. ARGV: group, and the ids of the messages.
ACKNOWLEDGE = f"""{_FINISH}
for i = 2, #ARGV do finish(ARGV[i]) end
return 1
"""

#: Moves a message to another consumer. KEYS: stream.
#: ARGV: group, consumer, id, the other consumer, milliseconds that count as idle, number of deliveries.
MOVE = f"""{_BELONGS}
if belongs(ARGV[3], ARGV[2]) then
  redis.call(
    'XCLAIM', KEYS[1], ARGV[1], ARGV[4], 0, ARGV[3], 'IDLE', ARGV[5], 'RETRYCOUNT', ARGV[6], 'JUSTID')
end
return 1
"""

#: Adds a message to another stream, and acknowledges it. KEYS: stream, the other stream.
#: ARGV: group, consumer, id, names and values of the fields.
DEAD_LETTER = f"""{_FINISH}{_BELONGS}
if belongs(ARGV[3], ARGV[2]) then
  if not redis.call('XADD', KEYS[2], 'NOMKSTREAM', '*', unpack(ARGV, 4)) then
    return redis.error_reply('NOSTREAM no such key: the stream ' .. KEYS[2])
  end
  finish(ARGV[3])
end
return 1
"""

#: Deletes a consumer that has no messages. KEYS: stream. ARGV: group, consumer.
REMOVE_CONSUMER = """
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) == 0 then
  redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
end
return 1
"""
