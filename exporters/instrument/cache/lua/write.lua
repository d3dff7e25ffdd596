-- Changes in their order; for each, how many entries it made or removed.
-- KEYS: the hash of each change. ARGV: channel, message (or nothing), prefix of the tags' sets, number and length of a
-- lease in milliseconds, then for each change its kind, its field, and for those that bring a value: the value, how long
-- the hash has to live in milliseconds, how many tags, the tag and the member of its set for each; and for a fill how many
-- versions have to be as they were, the hash and the version for each.
local tags, version, lease = ARGV[3], ARGV[4], tonumber(ARGV[5])
local at, done = 6, {}

local function live(key, milliseconds)
  if redis.call('PTTL', key) < milliseconds then redis.call('PEXPIRE', key, milliseconds) end
end

-- Who leaves an entry leaves its tags' sets too: they would grow for as long as others have the tag.
local function untag(value, hash, field)
  if value and #value > 9 and math.floor(string.byte(value, 7) / 2) % 2 == 1 then
    local member = string.match(hash, '%d+$') .. ':' .. field
    local length = struct.unpack('>I2', string.sub(value, 8, 9))
    for tag in string.gmatch(string.sub(value, 10, 9 + length), '[^%z]+') do
      redis.pcall('SREM', tags .. tag, member)
    end
  end
end

for i = 1, #KEYS do
  local hash, kind, field = KEYS[i], ARGV[at], ARGV[at + 1]
  local before = redis.call('HGET', hash, field)
  at = at + 2
  if kind == 'delete' then
    done[i] = redis.call('HDEL', hash, field)
    -- Also where there is no memory left, for which alone it could fail.
    redis.pcall('HSET', hash, '', version)
    live(hash, lease)
    untag(before, hash, field)
  else
    local value, milliseconds, count = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    local first = at + 3
    at = first + 2 * count
    local is_wanted = true
    if kind == 'fill' then
      local last = at + 2 * tonumber(ARGV[at])
      for check = at + 1, last, 2 do
        if (redis.call('HGET', ARGV[check], '') or '') ~= ARGV[check + 1] then is_wanted = false end
      end
      at = last + 1
      if is_wanted then redis.call('HSET', hash, field, value) end
    else
      redis.call('HSET', hash, field, value, '', version)
    end
    done[i] = is_wanted and 1 or 0
    if is_wanted then
      -- Not shorter than a lease, or the version goes before a load that began before the change has ended.
      live(hash, math.max(milliseconds, lease))
      untag(before, hash, field)
      for tag = first, first + 2 * count - 1, 2 do
        redis.call('SADD', tags .. ARGV[tag], ARGV[tag + 1])
        live(tags .. ARGV[tag], milliseconds)
      end
    end
  end
end
if ARGV[2] ~= '' then redis.call('PUBLISH', ARGV[1], ARGV[2]) end
return done
