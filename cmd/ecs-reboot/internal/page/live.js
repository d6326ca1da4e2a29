"use strict";
(() => {
	const box = document.getElementById("report");
	const status = document.getElementById("status");
	const error = document.getElementById("error");
	const buttons = [...document.querySelectorAll("#buttons button")];
	const button = name => buttons.find(b => b.dataset.post === name);
	let state = {}, ended = false, connected = false;

	// key names a part of the report that the reader may have changed, across updates.
	const keys = nodes => {
		const seen = {};
		return nodes.map(node => {
			const name = (node.closest("[data-table]")?.dataset.table ?? "") + "/" + node.className;
			seen[name] = (seen[name] ?? 0) + 1;
			return name + "/" + seen[name];
		});
	};
	const all = (root, selector) => {
		const nodes = [...root.querySelectorAll(selector)];
		return keys(nodes).map((key, i) => [key, nodes[i]]);
	};

	// filter makes the search box of the report work; the report's own script does not run here.
	const filter = () => {
		const place = box.querySelector(".filter"), input = place?.querySelector("input");
		const rows = [...box.querySelectorAll("table.rows tbody tr")];
		if (!input || rows.length <= 10) {
			return;
		}
		const output = place.querySelector("output");
		place.hidden = false;
		const apply = () => {
			const wanted = input.value.trim().toLowerCase();
			let shown = 0;
			for (const row of rows) {
				row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
				shown += row.hidden ? 0 : 1;
			}
			output.textContent = wanted ? shown + " of " + rows.length : "";
		};
		input.addEventListener("input", apply);
		apply();
	};

	// show puts a new report in place of the old one, and keeps what the reader has opened,
	// scrolled and typed.
	const show = html => {
		const page = new DOMParser().parseFromString(html, "text/html");
		const opened = new Map(all(box, "details").map(([key, node]) => [key, node.open]));
		const scrolled = new Map(all(box, ".scroll").map(([key, node]) => [key, node.scrollLeft]));
		const old = box.querySelector(".filter input");
		const typed = old && {value: old.value, focus: document.activeElement === old, start: old.selectionStart, end: old.selectionEnd};
		const style = page.querySelector("style")?.textContent ?? "";
		const place = document.getElementById("report-style");
		if (place.textContent !== style) {
			place.textContent = style;
		}
		document.title = page.title;
		const top = window.scrollY;
		box.replaceChildren(...[...page.body.children].filter(node => node.localName !== "script").map(node => document.adoptNode(node)));
		for (const [key, node] of all(box, "details")) {
			node.open = opened.get(key) ?? node.open;
		}
		for (const [key, node] of all(box, ".scroll")) {
			node.scrollLeft = scrolled.get(key) ?? 0;
		}
		const input = box.querySelector(".filter input");
		if (input && typed) {
			input.value = typed.value;
		}
		filter();
		if (input && typed?.focus) {
			input.focus({preventScroll: true});
			input.setSelectionRange(typed.start, typed.end);
		}
		draw();
		window.scrollTo(0, top);
		document.documentElement.dataset.updates = Number(document.documentElement.dataset.updates ?? 0) + 1;
	};

	// draw shows the state of the run, and the buttons that have an effect in it.
	const draw = () => {
		const pauses = state.pauses ?? [], requested = pauses.includes("requested");
		let text = "The run is in progress";
		if (ended) {
			text = "The run has ended" + (state.ending ? ": " + state.ending : "") + ". This page shows its last state";
		} else if (!connected) {
			text = "Not connected. This page shows an earlier state";
		} else if (state.ended) {
			text = "The run has ended: " + state.ending;
		} else if (state.ending) {
			text = "The run sends nothing more: " + state.ending;
		} else if (state.stage) {
			text = "Canary stage " + state.stage + " waits for approval";
		} else if (pauses.length > 0) {
			text = "The run is paused: " + pauses.join(", ");
		}
		status.textContent = text;
		// The report is made from the journal alone, which cannot tell a run in progress from
		// one that has crashed; this page can.
		const heading = box.querySelector("main[data-ending=open] h1");
		if (heading) {
			heading.dataset.recorded ??= heading.textContent;
			heading.textContent = connected || ended ? text : heading.dataset.recorded;
		}
		const live = state.controls && connected && !ended && !state.ended;
		const wanted = {
			approve: live && state.stage > 0, disapprove: live && state.stage > 0 && state.process > 0, // a durable run has no process
			pause: live && !state.ending && !requested, unpause: live && !state.ending && requested, abort: live && !state.ending,
		};
		for (const b of buttons) {
			b.hidden = !wanted[b.dataset.post];
		}
		button("approve").textContent = "Approve stage " + state.stage;
		if (!button("disapprove").classList.contains("sure")) {
			button("disapprove").textContent = "Reject stage " + state.stage;
		}
	};

	const post = async (name, stage) => {
		error.textContent = "";
		buttons.forEach(b => { b.disabled = true; });
		try {
			const response = await fetch(name + (stage ? "?stage=" + stage : ""), {method: "POST"});
			const body = await response.json();
			if (response.ok) {
				state = {...body, controls: true};
			} else {
				error.textContent = body.error;
			}
		} catch (failure) {
			error.textContent = String(failure);
		}
		buttons.forEach(b => { b.disabled = false; });
		draw();
	};

	// A button that ends the run wants a second click within five seconds.
	for (const b of buttons) {
		const name = b.dataset.post;
		b.addEventListener("click", () => {
			const stage = name.endsWith("approve") ? state.stage : 0;
			if ((name === "abort" || name === "disapprove") && !b.classList.contains("sure")) {
				const before = b.textContent;
				b.classList.add("sure");
				b.textContent = before + ": sure?";
				setTimeout(() => {
					b.classList.remove("sure");
					b.textContent = before;
				}, 5000);
				return;
			}
			b.classList.remove("sure");
			post(name, stage);
		});
	}

	// A browser reconnects by itself, except after a response that is not 200, such as that
	// too many browsers follow the run.
	const follow = () => {
		const source = new EventSource("events");
		source.addEventListener("open", () => { connected = true; draw(); });
		source.addEventListener("error", () => {
			connected = false;
			draw();
			if (source.readyState === EventSource.CLOSED) {
				setTimeout(follow, 5000);
			}
		});
		source.addEventListener("report", e => show(JSON.parse(e.data)));
		source.addEventListener("state", e => { state = JSON.parse(e.data); draw(); });
		source.addEventListener("end", () => {
			ended = true;
			source.close();
			draw();
		});
	};
	follow();
	draw();
})();
