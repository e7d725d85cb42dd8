//! Functions of days and times, on the calendars of zones.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::types::{ArrowPrimitiveType, Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array as _, ArrayRef, PrimitiveArray};
use arrow_buffer::NullBuffer;

use super::calendar::{self, DAY};
use super::evaluate::{Node, wrong_layout};
use super::kernel::Kernel;
use super::side::{Side, Value};
use super::typing::{Compiler, Operand};
use crate::Result;
use crate::record::parse::{FIRST_MICROS, LAST_MICROS};
use crate::record::pattern::TimePattern;
use crate::record::zone::{At, Zone};
use crate::record::{FieldType, Reason, Refusal};
use crate::spec::{Expr, Repeated, TimePart, TimeUnit};

pub(super) fn compile(compiler: &mut Compiler<'_>, expr: &Expr) -> Option<Operand> {
    match expr {
        Expr::Day { of, zone } => compiler.at(".day", |this| {
            let (of, clock) = moment(this, of, zone.as_deref())?;
            if clock == Clock::Day {
                this.at(".of", |this| this.problem("this is a date already"));
                return None;
            }
            Some(call(Function::Day(clock), vec![of.node], FieldType::Date))
        }),
        Expr::ToLocal { of, zone } => compiler.at(".to_local", |this| {
            let of = this.at(".of", |this| this.of_type(of, &FieldType::DateTime));
            let zone = this.at(".zone", |this| this.note(Zone::new(zone)))?;
            Some(call(Function::ToLocal(zone), vec![of?.node], FieldType::LocalDateTime))
        }),
        Expr::ToInstant { of, zone, repeated } => compiler.at(".to_instant", |this| {
            let of = this.at(".of", |this| this.of_type(of, &FieldType::LocalDateTime));
            let zone = this.at(".zone", |this| this.note(Zone::new(zone)))?;
            let function = Function::ToInstant(zone, *repeated);
            Some(call(function, vec![of?.node], FieldType::DateTime))
        }),
        Expr::DateAdd {
            of,
            count,
            unit,
            zone,
        } => compiler.at(".date_add", |this| {
            let of = moment(this, of, zone.as_deref());
            let count = this.at(".count", |this| this.of_type(count, &FieldType::Integer));
            let (of, clock) = of?;
            fits(this, ".unit", *unit, clock)?;
            let operands = vec![of.node, count?.node];
            Some(call(Function::Add(*unit, clock), operands, of.field_type))
        }),
        Expr::DateDiff {
            from,
            to,
            unit,
            zone,
        } => compiler.at(".date_diff", |this| {
            let [from, to] = this.abreast([(".from", from), (".to", to)])?;
            let clock = this.at(".from", |this| clock(this, &from.field_type))?;
            if from.field_type != to.field_type {
                let message = format!(
                    "from {} to {} there is no difference; `convert` one of them, or take the `day` of both",
                    from.field_type, to.field_type
                );
                this.problem(message);
                return None;
            }
            let clock = in_zone(this, clock, zone.as_deref())?;
            fits(this, ".unit", *unit, clock)?;
            let operands = vec![from.node, to.node];
            Some(call(Function::Difference(*unit, clock), operands, FieldType::Integer))
        }),
        Expr::Truncate {
            of,
            to,
            zone,
            fiscal_start,
        } => compiler.at(".truncate", |this| {
            let (of, clock) = moment(this, of, zone.as_deref())?;
            fits(this, ".to", *to, clock)?;
            let has_years = matches!(to, TimeUnit::Year | TimeUnit::Quarter);
            let fiscal = fiscal(this, *fiscal_start, has_years)?;
            Some(call(Function::Truncate(*to, fiscal, clock), vec![of.node], of.field_type))
        }),
        Expr::Part {
            of,
            part,
            zone,
            fiscal_start,
        } => compiler.at(".part", |this| {
            let (of, clock) = moment(this, of, zone.as_deref())?;
            let of_day = matches!(
                part,
                TimePart::Hour | TimePart::Minute | TimePart::Second | TimePart::Microsecond
            );
            if clock == Clock::Day && of_day {
                this.at(".part", |this| this.problem("a date has no time of day"));
                return None;
            }
            let has_years = matches!(part, TimePart::Year | TimePart::Quarter);
            let fiscal = fiscal(this, *fiscal_start, has_years)?;
            Some(call(Function::Part(*part, fiscal, clock), vec![of.node], FieldType::Integer))
        }),
        Expr::Format { of, pattern, zone } => compiler.at(".format", |this| {
            let of = moment(this, of, zone.as_deref());
            let pattern = TimePattern::new(pattern);
            let pattern = this.at(".pattern", |this| this.note(pattern))?;
            let (of, clock) = of?;
            let wrong = match clock {
                Clock::Day if pattern.has_time() => Some("a date has no time of day"),
                Clock::Local if pattern.has_offset() => Some("a local_datetime has no offset"),
                _ => None,
            };
            if let Some(wrong) = wrong {
                this.at(".pattern", |this| this.problem(wrong));
                return None;
            }
            let format = Format { pattern, clock };
            let node = Node::Call(Arc::new(format), vec![of.node]);
            Some(Operand::new(node, FieldType::Text))
        }),
        _ => None,
    }
}

fn call(function: Function, operands: Vec<Node>, field_type: FieldType) -> Operand {
    Operand::new(Node::Call(Arc::new(function), operands), field_type)
}

/// What a value of a type is told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    /// A date: days.
    Day,
    /// A local_datetime: the clocks of nobody knows where.
    Local,
    /// A datetime, in the clocks of a zone.
    Zone(Zone),
}

/// A day or time, in the clocks of a zone if one is told.
fn moment(compiler: &mut Compiler<'_>, of: &Expr, zone: Option<&str>) -> Option<(Operand, Clock)> {
    let of = compiler.at(".of", |this| {
        let of = this.operand(of)?;
        let clock = clock(this, &of.field_type)?;
        Some((of, clock))
    });
    let (of, clock) = of?;
    let clock = in_zone(compiler, clock, zone)?;
    Some((of, clock))
}

fn clock(compiler: &mut Compiler<'_>, field_type: &FieldType) -> Option<Clock> {
    match field_type {
        FieldType::Date => Some(Clock::Day),
        FieldType::LocalDateTime => Some(Clock::Local),
        FieldType::DateTime => Some(Clock::Zone(Zone::UTC)),
        other => {
            compiler.problem(format!(
                "this must be a date, a datetime or a local_datetime and is {other}; `convert` it"
            ));
            None
        }
    }
}

fn in_zone(compiler: &mut Compiler<'_>, clock: Clock, zone: Option<&str>) -> Option<Clock> {
    let Some(name) = zone else {
        return Some(clock);
    };
    compiler.at(".zone", |this| match clock {
        Clock::Zone(_) => this.note(Zone::new(name)).map(Clock::Zone),
        Clock::Day | Clock::Local => {
            this.problem("only a datetime is shown by the clocks of a zone; leave it out");
            None
        }
    })
}

fn fits(compiler: &mut Compiler<'_>, path: &str, unit: TimeUnit, clock: Clock) -> Option<()> {
    if clock == Clock::Day && calendar::micros(unit).is_some() {
        compiler.at(path, |this| {
            this.problem("a date has no time of day; choose days or longer")
        });
        return None;
    }
    Some(())
}

fn fiscal(compiler: &mut Compiler<'_>, start: u8, has_years: bool) -> Option<u32> {
    let wrong = match start {
        1 => return Some(1),
        2..=12 if has_years => return Some(start.into()),
        2..=12 => "fiscal years matter to years and quarters only; leave it out",
        _ => "a month, 1 to 12",
    };
    compiler.at(".fiscal_start", |this| this.problem(wrong));
    None
}

#[derive(Debug)]
enum Function {
    Day(Clock),
    ToLocal(Zone),
    ToInstant(Zone, Repeated),
    Add(TimeUnit, Clock),
    Difference(TimeUnit, Clock),
    Truncate(TimeUnit, u32, Clock),
    Part(TimePart, u32, Clock),
}

/// Why a row has no result.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// It is outside of the years 1 to 9999.
    Years,
    /// The clocks never show the time.
    Never,
    /// They show it twice.
    Twice,
}

impl Fault {
    #[cold]
    fn refusal(self) -> Refusal {
        match self {
            Fault::Years => {
                Refusal::new(Reason::Overflow, "the result is not in the years 1 to 9999")
            }
            Fault::Never => Refusal::new(
                Reason::BadValue,
                "the clocks of the zone never show this time, as they are put forward over it",
            ),
            Fault::Twice => Refusal::new(
                Reason::BadValue,
                "the clocks of the zone show this time twice, as they are put back; say which by `repeated`",
            ),
        }
    }
}

type Answer = Result<i64, Fault>;

/// A time, if it is one of the years 1 to 9999.
fn bounded(micros: Option<i64>) -> Answer {
    micros
        .filter(|micros| (FIRST_MICROS..=LAST_MICROS).contains(micros))
        .ok_or(Fault::Years)
}

impl Clock {
    /// What the clocks show.
    #[inline]
    fn local(self, micros: i64) -> Answer {
        match self {
            Clock::Zone(zone) => bounded(zone.local(micros)),
            Clock::Day | Clock::Local => Ok(micros),
        }
    }
}

/// The values of a column in microseconds: of days, the begin.
enum Micros<'a> {
    Days(Side<'a, i32>),
    Micros(Side<'a, i64>),
}

impl<'a> Micros<'a> {
    fn of(value: &'a Value) -> Result<Self> {
        if let Some(days) = Side::of::<Date32Type>(value) {
            return Ok(Micros::Days(days));
        }
        let micros = Side::of::<TimestampMicrosecondType>(value).ok_or_else(wrong_layout)?;
        Ok(Micros::Micros(micros))
    }

    #[inline]
    fn get(&self, row: usize) -> i64 {
        match self {
            Micros::Days(days) => i64::from(days.get(row)) * DAY,
            Micros::Micros(micros) => micros.get(row),
        }
    }
}

impl Function {
    fn answer(&self, first: i64, second: i64) -> Answer {
        match *self {
            Function::Day(clock) => clock.local(first),
            Function::ToLocal(zone) => bounded(zone.local(first)),
            Function::ToInstant(zone, repeated) => {
                let at = zone.instant(first).ok_or(Fault::Years)?;
                bounded(Some(match (at, repeated) {
                    (At::Once(instant), _) => instant,
                    (At::Never, _) => return Err(Fault::Never),
                    (At::Twice(earlier, _), Repeated::Earlier) => earlier,
                    (At::Twice(_, later), Repeated::Later) => later,
                    (At::Twice(..), _) => return Err(Fault::Twice),
                }))
            }
            Function::Add(_, _) if second == 0 => Ok(first),
            Function::Add(unit, clock) => {
                if let Some(micros) = calendar::micros(unit) {
                    return bounded(
                        second
                            .checked_mul(micros)
                            .and_then(|more| first.checked_add(more)),
                    );
                }
                let local = clock.local(first)?;
                let moved = calendar::add(local, second, unit).ok_or(Fault::Years)?;
                // What the clock of the zone shows has a year of four digits, as what it stands for has.
                let moved = bounded(Some(moved))?;
                match clock {
                    Clock::Zone(zone) => bounded(zone.instant_forward(moved)),
                    Clock::Day | Clock::Local => Ok(moved),
                }
            }
            Function::Difference(unit, clock) => match calendar::micros(unit) {
                Some(micros) => Ok((second - first) / micros),
                None => Ok(calendar::difference(
                    clock.local(first)?,
                    clock.local(second)?,
                    unit,
                )),
            },
            Function::Truncate(unit, fiscal, clock) => {
                let local = clock.local(first)?;
                if let Some(micros) = calendar::micros(unit) {
                    return bounded(Some(first - local.rem_euclid(micros)));
                }
                let begin = calendar::begin(local, unit, fiscal).ok_or(Fault::Years)?;
                match clock {
                    Clock::Zone(zone) => bounded(zone.first_instant(begin)),
                    Clock::Day | Clock::Local => bounded(Some(begin)),
                }
            }
            Function::Part(part, fiscal, clock) => {
                Ok(calendar::part(clock.local(first)?, part, fiscal))
            }
        }
    }
}

impl Kernel for Function {
    fn compute(
        &self,
        operands: &[Value],
        rows: usize,
        refuse: &mut dyn FnMut(u32, Refusal),
    ) -> Result<ArrayRef> {
        let (first, second) = match operands {
            [first] => (first, None),
            [first, second] => (first, Some(second)),
            _ => return Err(wrong_layout()),
        };
        let nulls = NullBuffer::union(first.nulls(), second.and_then(Value::nulls));
        let firsts = Micros::of(first)?;
        let mut answers = Vec::with_capacity(rows);
        let mut each = |second: &dyn Fn(usize) -> i64| {
            answers.extend((0..rows).map(|row| {
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                    return 0;
                }
                self.answer(firsts.get(row), second(row))
                    .unwrap_or_else(|fault| {
                        refuse(row as u32, fault.refusal());
                        0
                    })
            }));
        };
        match (self, second) {
            (Function::Add(..), Some(second)) => {
                let counts = Side::of::<Int64Type>(second).ok_or_else(wrong_layout)?;
                each(&|row| counts.get(row));
            }
            (_, Some(second)) => {
                let seconds = Micros::of(second)?;
                each(&|row| seconds.get(row));
            }
            (_, None) => each(&|_| 0),
        }
        let is_date = matches!(firsts, Micros::Days(_));
        Ok(match self {
            Function::Day(_) => days(&answers, nulls),
            Function::Add(..) | Function::Truncate(..) if is_date => days(&answers, nulls),
            Function::Difference(..) | Function::Part(..) => column::<Int64Type>(answers, nulls),
            Function::ToLocal(_) => column::<TimestampMicrosecondType>(answers, nulls),
            Function::ToInstant(..) => instants(answers, nulls),
            Function::Add(_, clock) | Function::Truncate(_, _, clock) => match clock {
                Clock::Zone(_) => instants(answers, nulls),
                Clock::Day | Clock::Local => column::<TimestampMicrosecondType>(answers, nulls),
            },
        })
    }
}

fn column<A: ArrowPrimitiveType<Native = i64>>(
    values: Vec<i64>,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    Arc::new(PrimitiveArray::<A>::new(values.into(), nulls))
}

fn instants(values: Vec<i64>, nulls: Option<NullBuffer>) -> ArrayRef {
    let column = PrimitiveArray::<TimestampMicrosecondType>::new(values.into(), nulls);
    Arc::new(column.with_timezone("UTC"))
}

fn days(micros: &[i64], nulls: Option<NullBuffer>) -> ArrayRef {
    // 64 bits of microseconds are fewer than 32 bits of days.
    let days: Vec<i32> = micros
        .iter()
        .map(|micros| micros.div_euclid(DAY) as i32)
        .collect();
    Arc::new(PrimitiveArray::<Date32Type>::new(days.into(), nulls))
}

#[derive(Debug)]
struct Format {
    pattern: TimePattern,
    clock: Clock,
}

impl Kernel for Format {
    fn compute(
        &self,
        operands: &[Value],
        rows: usize,
        refuse: &mut dyn FnMut(u32, Refusal),
    ) -> Result<ArrayRef> {
        let [value] = operands else {
            return Err(wrong_layout());
        };
        let times = Micros::of(value)?;
        let mut out = StringViewBuilder::with_capacity(rows);
        let mut text = Vec::new();
        for row in 0..rows {
            if !value.constant && value.array.is_null(row) {
                out.append_null();
                continue;
            }
            text.clear();
            let micros = times.get(row);
            let offset = match self.clock {
                Clock::Zone(zone) => zone.offset(micros),
                Clock::Day | Clock::Local => Some(0),
            };
            let local = match self.clock.local(micros) {
                Ok(local) => local,
                Err(fault) => {
                    out.append_null();
                    refuse(row as u32, fault.refusal());
                    continue;
                }
            };
            let is_written =
                offset.is_some_and(|offset| self.pattern.append(local, offset, &mut text));
            match std::str::from_utf8(&text) {
                Ok(text) if is_written => out.append_value(text),
                _ => {
                    out.append_null();
                    let message = "the pattern has no text for this time: it is outside of its years, or its offset is no \
                                   whole minute";
                    refuse(row as u32, Refusal::new(Reason::OutOfRange, message));
                }
            }
        }
        Ok(Arc::new(out.finish()))
    }
}
