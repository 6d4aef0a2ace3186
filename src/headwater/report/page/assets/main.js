// Where the page begins: with the data that it carries, or with the server that sent it.

import { start } from "./app.js";
import { EmbeddedSource, ServerSource } from "./sources.js";

const carried = document.getElementById("headwater-data");
start(carried ? EmbeddedSource(JSON.parse(carried.textContent)) : ServerSource());
