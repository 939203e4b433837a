// What every page starts; each module finds its own elements and does nothing where there are none.
import "./actions.js";
import "./choices.js";
import "./directions.js";
import "./forms.js";
import "./live.js";
import "./player.js";
import "./review.js";
import "./segments.js";
import "./serving.js";
import "./times.js";
import "./upload.js";
import "./voices.js";
import "./week.js";
import "./workers.js";
