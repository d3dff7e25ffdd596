-- Entries that have not expired. In place of one that is not there, in a list, the version of its hash.
-- KEYS: a hash for each entry. ARGV: now in milliseconds, then the field of each.
local now, found = tonumber(ARGV[1]), {}
for i = 1, #KEYS do
  local value = redis.call('HGET', KEYS[i], ARGV[i + 1])
  if value and #value >= 7 and struct.unpack('>I6', value) > now then
    found[i] = value
  else
    found[i] = {redis.call('HGET', KEYS[i], '') or ''}
  end
end
return found
