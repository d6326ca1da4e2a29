"use strict";
(() => {
	const box = document.querySelector(".filter");
	const rows = [...document.querySelectorAll("table.rows tbody tr")];
	if (rows.length > 10) {
		const input = box.querySelector("input");
		const output = box.querySelector("output");
		const texts = [];
		box.hidden = false;
		input.addEventListener("input", () => {
			const wanted = input.value.trim().toLowerCase();
			let shown = 0;
			rows.forEach((row, i) => {
				texts[i] ??= row.textContent.toLowerCase();
				row.hidden = !texts[i].includes(wanted);
				if (!row.hidden) {
					shown++;
				}
			});
			output.textContent = wanted ? shown + " of " + rows.length : "";
		});
	}
	document.documentElement.dataset.script = "ran";
})();
