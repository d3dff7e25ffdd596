-- One step of the walk: removes what is expired and counts what is not. Nothing is done by whom the lock is not.
-- KEYS: the lock. ARGV: whose it has to be, for how long in milliseconds, now in milliseconds, prefix of the hashes,
-- prefix of the tags' sets, number of hashes, the hash and the cursor to go on at, how many fields at most.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {} end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local now, hashes, tags, last = tonumber(ARGV[3]), ARGV[4], ARGV[5], tonumber(ARGV[6])
local number, cursor, budget = tonumber(ARGV[7]), ARGV[8], tonumber(ARGV[9])
local expired, keys, bytes = 0, 0, 0

local function untag(value, member)
  if #value > 9 and math.floor(string.byte(value, 7) / 2) % 2 == 1 then
    local length = struct.unpack('>I2', string.sub(value, 8, 9))
    for tag in string.gmatch(string.sub(value, 10, 9 + length), '[^%z]+') do
      redis.call('SREM', tags .. tag, member)
    end
  end
end

while number < last and budget > 0 do
  local hash = hashes .. number
  if cursor == '0' then bytes = bytes + (redis.call('MEMORY', 'USAGE', hash) or 0) end
  local page = redis.call('HSCAN', hash, cursor, 'COUNT', 200)
  local gone = {}
  for i = 1, #page[2], 2 do
    local field, value = page[2][i], page[2][i + 1]
    if field ~= '' then
      if #value < 7 or struct.unpack('>I6', value) <= now then
        gone[#gone + 1] = field
        untag(value, number .. ':' .. field)
      else
        keys = keys + 1
      end
    end
  end
  if #gone > 0 then expired = expired + redis.call('HDEL', hash, unpack(gone)) end
  budget = budget - 10 - #page[2] / 2
  cursor = page[1]
  if cursor == '0' then number = number + 1 end
end
return {cursor, {number, expired, keys, bytes}}
