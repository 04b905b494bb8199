// Another world, and the world that refutes a change: both stand in the page as JSON, nothing is computed here.
const data = JSON.parse((document.getElementById("book-data") || { textContent: "{}" }).textContent);
document.documentElement.classList.add("scripts");

// ---- another world ---------------------------------------------------------------------------------------------------
for (const section of document.querySelectorAll("section[data-world]")) {
  const world = data.worlds[section.dataset.world], button = document.createElement("button");
  const count = Object.values(world.lines)[0].length;
  let at = 0;
  button.type = "button";
  button.textContent = "Draw another world";
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", () => {
    at = (at + 1) % count;
    button.textContent = `Draw another world (this is ${at + 1} of ${count})`;
    for (const cell of section.querySelectorAll("[data-value]")) cell.textContent = world.letters[cell.dataset.value][at];
    for (const cell of section.querySelectorAll("[data-line]")) cell.textContent = world.lines[cell.dataset.line][at];
  });
  section.querySelector(".letters").before(button);
}

// ---- a tap on a sign -------------------------------------------------------------------------------------------------
function tap(sign) {
  const line = sign.closest(".line"), old = line.querySelector(".refuted"), same = sign.getAttribute("aria-expanded") === "true";
  for (const other of line.querySelectorAll(".sign")) other.setAttribute("aria-expanded", "false");
  if (old) old.remove();
  if (same) return;
  sign.setAttribute("aria-expanded", "true");
  const panel = document.createElement("div");
  panel.className = "refuted";
  panel.setAttribute("role", "status");
  sign.dataset.kills.split(" ").forEach((i, n) => {
    const [change, by, world, ...sides] = data.kills[line.id][i];
    const one = document.createElement("details"), what = document.createElement("summary"), list = document.createElement("ul");
    what.textContent = `${change.replace(" -> ", " → ")} is refuted by ${by}`;
    for (const text of [...sides, ...world.split("   ").filter(Boolean).map(letter => `where ${letter}`)]) {
      const item = document.createElement("li");
      item.textContent = text;
      list.append(item);
    }
    one.open = n === 0;
    one.append(what, list);
    panel.append(one);
  });
  (line.querySelector(".code") || line).after(panel);
}
for (const sign of document.querySelectorAll(".sign")) {
  sign.tabIndex = 0;
  sign.setAttribute("role", "button");
  sign.setAttribute("aria-expanded", "false");
  sign.addEventListener("click", () => tap(sign));
  sign.addEventListener("keydown", event => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); tap(sign); } });
}
