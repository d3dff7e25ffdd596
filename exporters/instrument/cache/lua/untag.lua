-- Removes entries that have a tag, some at a time; how many it removed, and how many are left to look at.
-- KEYS: the tag's set, the tag's version. ARGV: the tag, prefix of the hashes, channel, message, a version, length of a
-- lease in milliseconds, how many at most.
local tag, hashes, version, lease = ARGV[1], ARGV[2], ARGV[5], tonumber(ARGV[6])
local tags = string.sub(KEYS[1], 1, #KEYS[1] - #tag)

local function changed(key)
  -- Also where there is no memory left, for which alone it could fail.
  redis.pcall('HSET', key, '', version)
  if redis.call('PTTL', key) < lease then redis.call('PEXPIRE', key, lease) end
end

local removed = 0
changed(KEYS[2])
for _, member in ipairs(redis.call('SPOP', KEYS[1], ARGV[7])) do
  local number, field = string.match(member, '^(%d+):(.*)$')
  local value = redis.call('HGET', hashes .. number, field)
  -- It may have been written again without the tag.
  if value and #value > 9 and math.floor(string.byte(value, 7) / 2) % 2 == 1 then
    local length = struct.unpack('>I2', string.sub(value, 8, 9))
    local names = '\0' .. string.sub(value, 10, 9 + length) .. '\0'
    if string.find(names, '\0' .. tag .. '\0', 1, true) then
      removed = removed + redis.call('HDEL', hashes .. number, field)
      changed(hashes .. number)
      for other in string.gmatch(names, '[^%z]+') do
        if other ~= tag then redis.pcall('SREM', tags .. other, member) end
      end
    end
  end
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return {removed, redis.call('SCARD', KEYS[1])}
