// The rating page with JavaScript: what it does here, it does without, too, only with page loads.
// htmx sends the form and shows the answer.

const TOKENS_AFTER = 250; // milliseconds without a key
const text = () => document.getElementById("id_text");
const file = () => document.getElementById("id_file");
// A model that reads pairs takes neither lines nor files.
const lines = () => document.getElementById("id_lines");
const inLines = () => Boolean(lines()?.checked);
const number = new Intl.NumberFormat(document.documentElement.lang);

// Characters as the site counts them: an emoji is one.
const length = (value) => Array.from(value).length;

let waiting; // the timer of the next question for tokens
let asked; // what aborts the last one

function count() {
  const shown = document.getElementById("count");
  const value = text().value;
  const words = shown.dataset;
  const most = Number(words.max);
  const reviews = value.split("\n").filter((line) => line.trim());
  const characters = length(value);
  const said = [`${words.charsWord}: ${number.format(characters)} / ${number.format(most)}`];
  if (inLines()) said.push(`${words.linesWord}: ${number.format(reviews.length)}`);
  shown.textContent = said.join(" · ");
  shown.classList.toggle("over", !inLines() && characters > most);
  clearTimeout(waiting);
  asked?.abort();
  if (value.trim()) waiting = setTimeout(() => countTokens(shown, value), TOKENS_AFTER);
}

async function countTokens(shown, value) {
  asked = new AbortController();
  try {
    const answer = await fetch(shown.dataset.tokens, {
      method: "POST", body: value, headers: { "Content-Type": "text/plain" }, signal: asked.signal,
    });
    if (answer.status !== 200) return;
    const { tokens } = await answer.json();
    shown.append(` · ${shown.dataset.tokensWord}: ${number.format(tokens)}`);
  } catch (error) {
    if (error.name !== "AbortError" && !(error instanceof TypeError)) throw error;
  }
}

function write(value) {
  text().value = value;
  text().focus();
  text().setSelectionRange(0, 0);
  text().scrollTop = 0;
  count();
}

// A text file is shown before it is rated; a table is sent as it is. Both keep to the same limits.
async function take(chosen) {
  if (!chosen.name.toLowerCase().endsWith(".txt") || chosen.size > 1_000_000) return;
  let read;
  try {
    read = new TextDecoder("utf-8", { fatal: true }).decode(await chosen.arrayBuffer());
  } catch {
    return; // in another encoding: the site finds out which
  }
  file().value = "";
  write(read.replaceAll("\r\n", "\n"));
}

function clearProblems() {
  for (const old of document.querySelectorAll("#ask #failure, #ask #id_text_error, #ask #id_text_pair_error")) old.remove();
  document.getElementById("no-reply").hidden = true;
  text().removeAttribute("aria-invalid");
  text().removeAttribute("aria-describedby");
}

async function copy(button) {
  const source = document.querySelector(button.dataset.copy);
  await navigator.clipboard.writeText(source.value ?? source.textContent);
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 1500);
}

const offerCopies = () => {
  if (!navigator.clipboard) return; // browsers have it on HTTPS and on this machine alone
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
};

document.addEventListener("input", (event) => {
  if (event.target === text() || event.target === lines()) count();
});

document.addEventListener("change", (event) => {
  if (file() && event.target === file() && file().files.length) take(file().files[0]);
});

document.addEventListener("click", (event) => {
  const copies = event.target.closest("[data-copy]");
  if (copies) copy(copies);
  const example = event.target.closest("[data-example]");
  if (example && !(event.ctrlKey || event.metaKey || event.shiftKey)) {
    event.preventDefault();
    lines().checked = false;
    write(example.dataset.example);
  }
});

document.addEventListener("keydown", (event) => {
  if (event.target === text() && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    text().form.requestSubmit();
  }
});

const dropped = (event) => file() && event.target.closest?.("#ask") && event.dataTransfer?.types.includes("Files");

document.addEventListener("dragover", (event) => {
  const here = dropped(event);
  if (here) event.preventDefault();
  document.getElementById("ask").classList.toggle("over", Boolean(here));
});

document.addEventListener("drop", (event) => {
  document.getElementById("ask").classList.remove("over");
  if (!dropped(event) || event.target === file()) return; // the field takes it by itself
  event.preventDefault();
  file().files = event.dataTransfer.files;
  if (file().files.length) take(file().files[0]);
});

document.addEventListener("htmx:beforeRequest", clearProblems);

document.addEventListener("htmx:beforeSwap", (event) => {
  const { detail } = event;
  if (detail.xhr.status < 400) return;
  // What is wrong with the form comes with its place; any other failure is a page of its own.
  detail.shouldSwap = Boolean(detail.xhr.getResponseHeader("HX-Retarget"));
  detail.isError = false;
  document.getElementById("no-reply").hidden = detail.shouldSwap;
});

document.addEventListener("htmx:sendError", () => {
  document.getElementById("no-reply").hidden = false;
});

document.addEventListener("htmx:afterSwap", ({ detail }) => {
  offerCopies();
  if (detail.target.id === "ask") {
    count();
    text().focus();
    return;
  }
  if (detail.target.id !== "answer") return;
  if (file()) file().value = "";
  const answer = document.getElementById("answer");
  if (answer.getBoundingClientRect().top > window.innerHeight * 0.6) answer.scrollIntoView();
});

// Who changes the language comes back to where the page is by now.
document.addEventListener("htmx:pushedIntoHistory", () => {
  const next = document.querySelector(".languages [name=next]");
  if (next) next.value = location.pathname + location.search;
});

offerCopies();
if (text().value) count();
