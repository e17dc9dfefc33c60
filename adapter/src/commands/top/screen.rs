//! What `top` draws: the service, its outputs, and one of them with its writers and credentials.
use std::{env, time::SystemTime};

use ratatui::{
    Frame,
    crossterm::event::KeyCode,
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span, Text},
    widgets::{Cell, Paragraph, Row, Table, TableState, Wrap},
};

use super::{
    cells::{COLUMNS, Column, headline, seconds},
    live::{Seen, Silence},
    model::{OutputView, Trouble, View},
};
use crate::codes;

/// Between two columns.
const SPACING: u16 = 2;

/// What an alias has at least before other columns leave.
const ALIAS_WIDTH: u16 = 24;

/// Colours, or what stands for them.
#[derive(Clone, Copy)]
pub(super) struct Paint {
    colors: bool,
}

/// What is chosen.
pub(super) struct Screen {
    authority: String,
    paint: Paint,
    /// The alias of the output that the keys are about.
    chosen: Option<String>,
    /// Whether that one is shown alone, and from which line on.
    detail: Option<u16>,
    /// The outputs as they were drawn last.
    order: Vec<String>,
}

impl Paint {
    /// Colours, unless `NO_COLOR` is set.
    pub(super) fn of_environment() -> Self {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colors: !unwanted }
    }

    fn of(self, color: Color) -> Style {
        if self.colors { Style::new().fg(color) } else { Style::new() }
    }

    fn bad(self) -> Style {
        self.of(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn output(self, output: &OutputView) -> Style {
        match &*output.state {
            _ if output.is_well() => Style::new(),
            "Unavailable" => self.bad(),
            _ => self.of(Color::Yellow),
        }
    }
}

impl Screen {
    pub(super) fn new(authority: &str, paint: Paint) -> Self {
        let authority = authority.to_owned();
        Self { authority, paint, chosen: None, detail: None, order: Vec::new() }
    }

    /// Does what a key means.
    pub(super) fn key(&mut self, key: KeyCode) {
        let at = self.order.iter().position(|alias| Some(alias) == self.chosen.as_ref());
        let step = |by: isize| {
            let last = self.order.len().checked_sub(1)?;
            let next = at.map_or(0, |at| at.saturating_add_signed(by).min(last));
            self.order.get(next).cloned()
        };
        match (key, &mut self.detail) {
            (KeyCode::Up, Some(line)) => *line = line.saturating_sub(1),
            (KeyCode::Down, Some(line)) => *line = line.saturating_add(1),
            (KeyCode::Esc | KeyCode::Backspace | KeyCode::Left, detail) => *detail = None,
            (KeyCode::Up, None) => self.chosen = step(-1),
            (KeyCode::Down, None) => self.chosen = step(1),
            (KeyCode::Enter | KeyCode::Right, None) => {
                self.chosen = step(0);
                self.detail = self.chosen.is_some().then_some(0);
            }
            _ => {}
        }
    }

    /// Draws all of it.
    pub(super) fn draw(&mut self, frame: &mut Frame<'_>, seen: &Seen) {
        let [head, body, foot] =
            Layout::vertical([Constraint::Length(3), Constraint::Fill(1), Constraint::Length(1)])
                .areas(frame.area());
        let view = seen.now.as_ref().map(|now| now.view(seen.before.as_ref()));
        self.head(frame, head, view.as_ref(), seen.silence.as_ref());
        let Some(view) = view else { return };
        self.order = view.outputs.iter().map(|output| output.alias.clone()).collect();
        let is_chosen = |output: &&OutputView| Some(&output.alias) == self.chosen.as_ref();
        let chosen = view.outputs.iter().find(is_chosen);
        let keys = match (&mut self.detail, chosen) {
            (Some(line), Some(output)) => {
                detail(frame, body, output, line, self.paint);
                "up, down: scroll   escape: all outputs   q: quit"
            }
            // It is gone.
            (detail, _) => {
                *detail = None;
                self.table(frame, body, &view);
                "up, down: choose   enter: writers, credentials, what to do   q: quit"
            }
        };
        frame.render_widget(Paragraph::new(keys).style(self.paint.of(Color::DarkGray)), foot);
    }

    fn head(
        &self,
        frame: &mut Frame<'_>,
        area: Rect,
        view: Option<&View>,
        silence: Option<&Silence>,
    ) {
        let first = match view {
            Some(view) => Line::from(headline(view)).style(Modifier::BOLD),
            None => Line::from(format!("asking {}", self.authority)),
        };
        let second = silence.map(|Silence { since, why }| {
            let age = since.elapsed().unwrap_or_default().as_secs();
            let text = format!("no answer since {}, for {age} s: {why}", clock(*since));
            Line::styled(text, self.paint.bad())
        });
        let text = Text::from_iter(std::iter::once(first).chain(second));
        frame.render_widget(Paragraph::new(text), area);
    }

    fn table(&self, frame: &mut Frame<'_>, area: Rect, view: &View) {
        let columns = fitting(&view.outputs, area.width);
        let heads = columns.iter().map(|(column, _)| cell(column, column.name.to_owned()));
        let head = Row::new(heads).style(Modifier::REVERSED);
        let rows = view.outputs.iter().map(|output| {
            let cells = columns.iter().map(|(column, _)| cell(column, column.cell(output)));
            Row::new(cells).style(self.paint.output(output))
        });
        // The names of outputs, which are first, take what is left, and are cut first.
        let widths = columns.iter().enumerate().map(|(nth, (_, width))| match nth {
            0 => Constraint::Fill(1),
            _ => Constraint::Length(*width),
        });
        let table = Table::new(rows, widths)
            .header(head)
            .column_spacing(SPACING)
            .row_highlight_style(Modifier::REVERSED);
        let at = self.order.iter().position(|alias| Some(alias) == self.chosen.as_ref());
        let mut state = TableState::new().with_selected(at);
        frame.render_stateful_widget(table, area, &mut state);
    }
}

/// The columns that a screen is wide enough for, each with its width.
fn fitting(outputs: &[OutputView], width: u16) -> Vec<(&'static Column, u16)> {
    let mut columns: Vec<_> =
        COLUMNS.iter().map(|column| (column, column.width(outputs))).collect();
    // An alias may be long; what is left of it tells it from others all the same.
    columns[0].1 = columns[0].1.min(ALIAS_WIDTH);
    let needed = |columns: &[(&Column, u16)]| {
        columns.iter().fold(0, |sum: u16, (_, width)| sum.saturating_add(width + SPACING))
    };
    while needed(&columns) > width.saturating_add(SPACING) {
        let last = columns.iter().map(|(column, _)| column.leaves).max().unwrap_or(0);
        if last == 0 {
            break;
        }
        columns.retain(|(column, _)| column.leaves != last);
    }
    columns
}

fn cell(column: &Column, text: String) -> Cell<'static> {
    let side = if column.is_number { Alignment::Right } else { Alignment::Left };
    Cell::from(Text::from(text).alignment(side))
}

/// One output: its trouble with what to do, its writers, its credentials.
fn detail(frame: &mut Frame<'_>, area: Rect, output: &OutputView, from: &mut u16, paint: Paint) {
    let mut lines = vec![Line::from(format!(
        "{}: {}, topic {}, {}, {} partitions, {} without a leader",
        output.alias,
        output.state,
        output.topic,
        output.guarantee,
        output.partitions,
        output.partitions_without_leader
    ))];
    for trouble in [&output.trouble, &output.credentials.trouble].into_iter().flatten() {
        lines.push(Line::default());
        lines.push(Line::from_iter([
            Span::styled(format!("{} ", trouble.code), paint.bad()),
            Span::raw(trouble.text.clone()),
        ]));
        lines.extend(remedies(trouble).map(Line::from));
    }
    lines.push(Line::default());
    let shown = output.writers.len() as u64;
    lines.push(title(&format!("Writers: {} live, {shown} shown", output.writers_live)));
    for writer in &output.writers {
        let idle = if writer.live { "" } else { ", without a stream" };
        lines.push(Line::from(format!(
            "  {}: durable through {}, accepted through {}, oldest waits {}{idle}",
            writer.id,
            writer.durable_through,
            writer.accepted_through,
            seconds(writer.oldest_unacknowledged_seconds),
        )));
    }
    lines.push(Line::default());
    lines.push(title("Credentials"));
    for one in &output.credentials.in_use {
        let whose = one.subject.as_ref().map(|subject| format!(" of {subject}"));
        let version = one.version.as_ref().map(|version| format!(", version {version}"));
        let ends = one.expires.as_ref().map(|time| format!(", ends {time}"));
        let more: String = [whose, version, ends].into_iter().flatten().collect();
        lines.push(Line::from(format!("  {}: {}{more}", one.purpose, one.source)));
    }
    if output.credentials.in_use.is_empty() {
        lines.push(Line::from("  none"));
    }
    // The last line stays on the screen.
    let last = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_sub(1);
    *from = (*from).min(last);
    let text = Paragraph::new(lines).wrap(Wrap { trim: false }).scroll((*from, 0));
    frame.render_widget(text, area);
}

/// What the catalogue says is to be done.
fn remedies(trouble: &Trouble) -> impl Iterator<Item = String> {
    let entries = codes::all().remove(&*trouble.code).unwrap_or_default();
    entries.into_iter().map(|entry| format!("  what to do: {}", entry.remedy))
}

fn title(text: &str) -> Line<'static> {
    Line::styled(text.to_owned(), Modifier::BOLD)
}

/// The time of day, in UTC.
fn clock(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).unwrap_or_default();
    format!("{} UTC", time.strftime("%H:%M:%S"))
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend};

    use super::{
        super::model::tests::{output, status, waiting},
        *,
    };

    /// What a screen of this size shows.
    fn drawn(screen: &mut Screen, seen: &Seen, width: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, 24)).unwrap();
        terminal.draw(|frame| screen.draw(frame, seen)).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..24).map(|y| row(y).trim_end().to_owned() + "\n").collect()
    }

    fn seen() -> Seen {
        let outputs = [output("delays", 5_000), waiting("away", "Unavailable", 65.0)];
        Seen {
            now: Some(status(12.0, &outputs)),
            before: Some(status(10.0, &[output("delays", 1_000)])),
            silence: None,
        }
    }

    fn screen() -> Screen {
        Screen::new("127.0.0.1:7071", Paint { colors: false })
    }

    #[test]
    fn the_worst_output_is_first_and_columns_leave_a_narrow_screen() {
        let shown = drawn(&mut screen(), &seen(), 160);
        let lines: Vec<_> = shown.lines().collect();
        assert!(lines[0].starts_with("flights: ready, kafka-output 0.1.0, up 12 s"), "{shown}");
        assert!(lines[3].contains("ROWS/S") && lines[3].contains("LETTERS"), "{shown}");
        assert!(lines[4].starts_with("away") && lines[4].contains("TOPIC_NOT_FOUND"), "{shown}");
        assert!(lines[5].starts_with("delays") && lines[5].contains("2000"), "{shown}");
        let narrow = drawn(&mut screen(), &seen(), 70);
        assert!(narrow.contains("OLDEST") && !narrow.contains("LETTERS"), "{narrow}");
        assert!(narrow.contains("TOPIC_NOT_FOUND"), "{narrow}");
        // Nothing of it is so small that it ends the program.
        drawn(&mut screen(), &seen(), 3);
    }

    #[test]
    fn keys_choose_an_output_and_show_what_to_do_about_it() {
        let mut screen = screen();
        drawn(&mut screen, &seen(), 100);
        screen.key(KeyCode::Enter);
        let shown = drawn(&mut screen, &seen(), 100);
        assert!(shown.contains("away: Unavailable, topic t, atLeastOnce"), "{shown}");
        assert!(shown.contains("TOPIC_NOT_FOUND topic `t` does not exist"), "{shown}");
        assert!(shown.contains("what to do: ") && shown.contains("query-7/0: durable"), "{shown}");
        assert!(shown.contains("clientCertificate: file client.pem of CN=a, ends 2031"), "{shown}");
        screen.key(KeyCode::Esc);
        screen.key(KeyCode::Down);
        screen.key(KeyCode::Enter);
        assert!(drawn(&mut screen, &seen(), 100).contains("delays: Ready"));
        // An output that is gone is left.
        let gone = Seen { now: Some(status(13.0, &[output("other", 0)])), ..seen() };
        let shown = drawn(&mut screen, &gone, 100);
        assert!(shown.contains("other") && shown.contains("enter: writers"), "{shown}");
    }

    #[test]
    fn silence_is_told_and_what_was_known_stays() {
        let silence = Some(Silence { since: SystemTime::UNIX_EPOCH, why: "refused".to_owned() });
        let shown = drawn(&mut screen(), &Seen { silence, ..seen() }, 100);
        assert!(
            shown.contains("no answer since 00:00:00 UTC") && shown.contains("away"),
            "{shown}"
        );
        let nothing = Seen { now: None, before: None, silence: None };
        assert!(drawn(&mut screen(), &nothing, 100).contains("asking 127.0.0.1:7071"));
    }
}
