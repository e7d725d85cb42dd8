// Reads a list of {cron, zone, from, count} and writes for each the seconds since 1970 of its runs, or null if `cron-parser` refuses it.
const { CronExpressionParser } = require("cron-parser");

const runs = ({ cron, zone, from, count }) => {
  try {
    const expression = CronExpressionParser.parse(cron, { currentDate: new Date(from * 1000), tz: zone });
    return Array.from({ length: count }, () => expression.next().getTime() / 1000);
  } catch {
    return null;
  }
};

const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(cases.map(runs)));
