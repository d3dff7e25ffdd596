// Times as people read them.

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** Seconds since 1970 as 14:03:07, local. */
export function timeOfDay(seconds) {
  return CLOCK.format(new Date(seconds * 1000));
}

/** Seconds that passed, as +9.2 s, +1 min 12 s or +2 h 3 min. */
export function elapsed(seconds) {
  if (seconds < 59.95) return `+${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `+${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `+${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

const DATES = {
  date_num: { year: "numeric", month: "2-digit", day: "2-digit" },
  date: { year: "numeric", month: "long", day: "numeric" },
  date_short: { year: "numeric", month: "short", day: "numeric" },
  date_long: { weekday: "long", year: "numeric", month: "long", day: "numeric" },
  time: { hour: "2-digit", minute: "2-digit" },
  time_secs: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
};
const NEAR = { 0: "today", 1: "yesterday", "-1": "tomorrow" };

/** A time as Slack formats it for whoever reads it: {date_short_pretty} {time} as "today 14:03"; what it says elsewhere. */
export function localTime(seconds, format, elsewhere) {
  const at = new Date(seconds * 1000);
  if (Number.isNaN(at.getTime())) return elsewhere;
  const text = format.replace(/\{(\w+?)(_pretty)?\}/g, (token, name, pretty) => {
    if (!Object.hasOwn(DATES, name)) return token;
    const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86_400_000);
    return (pretty && NEAR[days]) || new Intl.DateTimeFormat("en-GB", DATES[name]).format(at);
  });
  const made = document.createElement("time");
  made.dateTime = at.toISOString();
  made.title = elsewhere;
  made.textContent = text;
  return made;
}

/** An element with a time of day that programs can read too. */
export function timeElement(seconds) {
  const made = document.createElement("time");
  made.dateTime = new Date(seconds * 1000).toISOString();
  made.textContent = timeOfDay(seconds);
  return made;
}
